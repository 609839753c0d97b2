// The cross-entropy of bytes by kernels of our own on CUDA (loss.cuh), in float32. In a build
// without a CUDA compiler nothing is served. Tensors are dense; without autograd.
#pragma once

#include <ATen/core/Tensor.h>

namespace sparse_transformer {

bool loss_cuda_serves(const at::Tensor& logits);

struct LossOfRows {
  at::Tensor nats;  // [...], of each token
  at::Tensor lse;   // [...], log-sum-exp of its logits
};

/// logits: [..., 256]; tokens: [...] uint8.
LossOfRows loss_cuda(const at::Tensor& logits, const at::Tensor& tokens);

/// d_sum: [], of the sum of nats. Gives the gradient of the logits.
at::Tensor loss_gradient_cuda(const at::Tensor& d_sum, const at::Tensor& logits,
                              const at::Tensor& tokens, const at::Tensor& lse);

}  // namespace sparse_transformer
