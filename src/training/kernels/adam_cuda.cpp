#include "training/kernels/adam_cuda.h"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>

#include "runtime/cuda/call.h"
#include "training/kernels/adam_launch.h"

namespace sparse_transformer {
namespace {

void check(int code) { check_launch(code, "the optimizer"); }

}  // namespace

bool adam_cuda_serves(c10::Device device) { return has_kernels_for(device); }

at::Tensor gradient_norm_cuda(const std::vector<AdamTensor>& tensors, c10::Device device) {
  const c10::cuda::CUDAGuard guard(device);
  const std::vector<AdamWork> works = adam_works(tensors);
  std::int32_t chunks = 0;
  for (const AdamWork& work : works) chunks += work.chunks();
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const at::Tensor sums = at::empty({chunks}, options);
  const at::Tensor norm = at::empty({}, options);
  auto* next = sums.mutable_data_ptr<float>();
  for (const AdamWork& work : works) {
    check(launch_squares(work, next, current_cuda_stream()));
    next += work.chunks();
  }
  check(launch_norm(sums.const_data_ptr<float>(), chunks, norm.mutable_data_ptr<float>(),
                    current_cuda_stream()));
  return norm;
}

void adam_update_cuda(const std::vector<AdamTensor>& tensors, const AdamNumbers& numbers,
                      c10::Device device) {
  const c10::cuda::CUDAGuard guard(device);
  for (const AdamWork& work : adam_works(tensors)) {
    check(launch_update(work, numbers, current_cuda_stream()));
  }
}

}  // namespace sparse_transformer
