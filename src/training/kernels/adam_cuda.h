// The optimizer on the GPU by kernels of our own: two launches for the norm of many tensors, one
// for their update.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <vector>

#include "training/kernels/adam.h"

namespace sparse_transformer {

/// Whether tensors there are served.
bool adam_cuda_serves(c10::Device device);

/// Of all gradients together, a float32 scalar on the device. The tensors are on it.
at::Tensor gradient_norm_cuda(const std::vector<AdamTensor>& tensors, c10::Device device);

/// One update (optimizer.h). Nothing changes where *params.is_skipped is not 0.
void adam_update_cuda(const std::vector<AdamTensor>& tensors, const AdamParams& params,
                      c10::Device device);

}  // namespace sparse_transformer
