// The cross-entropy of bytes: -log of the probability that logits give each token.
//
// Fused, on the CPU, the forward pass reads the logits once and keeps a log-sum-exp a row; the
// backward pass reads them again and writes their gradient. To form the gradient on the way there
// would move a third more memory: it would have to be read and written again, for the factor that
// only the backward pass knows.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "attention/kernels/kernels.h"
#include "model/kernels/loss_rows.h"

namespace sparse_transformer {

/// The sum of nats over all tokens, []. logits: [..., 256], float32 or float64; tokens: [...]
/// uint8. Differentiable once. Fused, the number of threads changes no
/// bit; on CUDA these are LibTorch's operations.
at::Tensor token_loss(const at::Tensor& logits, const at::Tensor& tokens, Kernels kernels);

/// Nats of each token, [...]. Without a gradient.
at::Tensor token_nats(const at::Tensor& logits, const at::Tensor& tokens, Kernels kernels);

/// What this processor can run, the fastest first; never empty.
std::vector<const LossInstructionSet*> loss_instruction_sets();

}  // namespace sparse_transformer
