// In place of adam_cuda.cpp where there is no CUDA compiler.
#include <stdexcept>

#include "training/kernels/adam_cuda.h"

namespace sparse_transformer {

bool adam_cuda_serves(c10::Device /*device*/) { return false; }

at::Tensor gradient_norm_cuda(const std::vector<AdamTensor>& /*tensors*/, c10::Device /*device*/) {
  throw std::logic_error("gradient_norm_cuda: not in this build");
}

void adam_update_cuda(const std::vector<AdamTensor>& /*tensors*/, const AdamParams& /*params*/,
                      c10::Device /*device*/) {
  throw std::logic_error("adam_update_cuda: not in this build");
}

}  // namespace sparse_transformer
