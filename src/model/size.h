// What a model costs, computed from its settings: nothing is allocated.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "model/computation.h"
#include "model/model_settings.h"

namespace sparse_transformer {

struct TensorShape {
  std::string name;
  std::vector<std::int64_t> sizes;

  std::int64_t count() const;
  bool operator==(const TensorShape&) const = default;
};

/// Name and shape of every tensor that Transformer::parameters() gives, in that order.
std::vector<TensorShape> parameter_shapes(const ModelSettings& settings,
                                          const SequenceLayout& layout);

struct ModelSize {
  std::int64_t parameters = 0;
  std::int64_t multiplied_weights = 0;  // those of matrix products: all but embeddings and vectors
  /// Forward and backward, a multiply-add being 2: 6 a weight of a matrix product, and
  /// 3 · 2·(query + value width) a pair of query and key and head.
  double flops_per_token = 0.0;
  double attention_pairs_per_query = 0.0;  // mean over queries, heads and layers
  // Of a training step on the CPU, at the moment of the backward pass when it is largest. CUDA's
  // attention needs less beside what is kept, in half precision, and more where narrower queries
  // and keys are padded to the width of values (block.h).
  std::int64_t state_bytes = 0;       // weights and copies, gradients, Adam's two moments, average
  std::int64_t activation_bytes = 0;  // kept for the backward pass, and the largest temporaries
  std::array<std::int64_t, kRecomputeWords.size()> activation_bytes_by_recompute = {};

  std::int64_t memory_bytes() const { return state_bytes + activation_bytes; }
};

/// `settings` must be resolved. `micro_batch`: sequences at a time; `average`: whether averaged
/// weights are kept. Throws UserError where 64 bits do not hold the bytes.
ModelSize model_size(const ModelSettings& settings, const SequenceLayout& layout,
                     std::int64_t micro_batch, bool average, const Computation& computation);

}  // namespace sparse_transformer
