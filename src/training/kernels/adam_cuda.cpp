#include "training/kernels/adam_cuda.h"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>

#include "runtime/cuda/call.h"

namespace sparse_transformer {
namespace {

void check(int code) { check_launch(code, "the optimizer"); }

}  // namespace

bool adam_cuda_serves(c10::Device device) { return has_kernels_for(device); }

at::Tensor gradient_norm_cuda(const std::vector<AdamTensor>& tensors, c10::Device device) {
  const c10::cuda::CUDAGuard guard(device);
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const at::Tensor sums = at::empty({gradient_norm_sums(tensors)}, options);
  const at::Tensor norm = at::empty({}, options);
  check(launch_gradient_norm(tensors, sums.mutable_data_ptr<float>(),
                             norm.mutable_data_ptr<float>(), current_cuda_stream()));
  return norm;
}

void adam_update_cuda(const std::vector<AdamTensor>& tensors, const AdamParams& params,
                      c10::Device device) {
  const c10::cuda::CUDAGuard guard(device);
  check(launch_adam(tensors, params, current_cuda_stream()));
}

}  // namespace sparse_transformer
