// A model read one token at a time: the logits of the next position from a cache of those before.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>

#include "attention/kv_cache.h"
#include "model/token_pass.h"
#include "model/transformer.h"

namespace sparse_transformer {

/// `batch` sequences that begin alike. The model must outlive the decoder and keep its weights; no
/// call records gradients. Throws Interrupted at a block's boundary.
class Decoder {
 public:
  /// `length`: tokens a sequence will have at most, <= n.
  Decoder(const Transformer& model, std::int64_t batch, std::int64_t length);

  /// Reads the first tokens of all sequences at once (none is fine), in one parallel pass. Returns
  /// the logits of the token that follows them, [batch, 256]. Called once, before step().
  at::Tensor start(std::span<const std::uint8_t> prime);

  /// Reads the next token of each sequence, [batch] uint8 on the CPU. Returns the logits of the one
  /// after it, [batch, 256].
  at::Tensor step(const at::Tensor& tokens);

  KeyValueCache& cache() { return cache_; }

 private:
  const Transformer& model_;
  std::int64_t batch_;
  std::int64_t position_ = 0;  // positions whose input has been read
  KeyValueCache cache_;
  std::optional<TokenPass> token_pass_;  // where there is one for the model
};

}  // namespace sparse_transformer
