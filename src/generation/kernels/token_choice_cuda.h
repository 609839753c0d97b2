// The choice of tokens on CUDA (token_choice.cu) for tensors. Only in a build with a CUDA compiler.
#pragma once

#include <ATen/core/Tensor.h>

#include "generation/token_source.h"

namespace sparse_transformer {

/// What a batch has so far, on the device.
struct DrawnTokens {
  at::Tensor position;    // int64 [1], of the next token
  at::Tensor tokens;      // uint8 [batch, length]
  at::Tensor not_finite;  // int64 [batch]: the first position whose logits are not finite

  /// Nothing, with `position` as the next position.
  DrawnTokens(const BatchDraw& batch, std::int64_t position, c10::Device device);
};

/// Writes the token at drawn.position of every sequence. logits: float32 [batch, …, 256]. Throws
/// WorldError where the launch fails.
void choose_tokens(const BatchDraw& batch, const at::Tensor& logits, const DrawnTokens& drawn);

}  // namespace sparse_transformer
