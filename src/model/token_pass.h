// One position of every sequence through a model, as sampling asks for it token by token: on the
// CPU, without autograd, with the weights copied once into the order in which they are read.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "attention/kv_cache.h"
#include "model/token_layers.h"
#include "model/transformer.h"

namespace sparse_transformer {

class TokenPass {
 public:
  /// Whether there is such a pass for a model: on the CPU, in the precision of its weights, and
  /// with fused kernels.
  static bool serves(const Transformer& model);

  /// The model's weights must not change while the pass is used.
  TokenPass(const Transformer& model, std::int64_t batch);

  /// hidden: [batch, 1, d], the input of the position. Keeps its keys and values in `cache` and
  /// returns the logits, [batch, 256], as Transformer's run_blocks() and logits() do. Throws
  /// Interrupted at a block's boundary.
  at::Tensor logits(const at::Tensor& hidden, KeyValueCache& cache);

 private:
  struct PackedBlock {
    Norm attention_norm, feedforward_norm;
    PackedLinear query_key_value, attention_output, expand, contract;
  };

  std::vector<PackedBlock> blocks_;
  Norm final_norm_;
  PackedLinear output_;
  // The position's activations, [batch, …, width].
  at::Tensor hidden_, normed_, packed_, inner_;
};

}  // namespace sparse_transformer
