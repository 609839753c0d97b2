#include <cuda_runtime.h>

#include "runtime/cuda/thread.cuh"
#include "training/kernels/adam.cuh"
#include "training/kernels/adam_launch.h"

namespace sparse_transformer {
namespace {

__global__ void __launch_bounds__(kAdamThreads)
    squares_kernel(const __grid_constant__ AdamWork work, float* sums) {
  __shared__ float shared[kAdamShared];
  CudaThread thread;
  adam_kernels::sum_squares(thread, work, blockIdx.x, sums, shared);
}

__global__ void __launch_bounds__(kAdamThreads)
    norm_kernel(const float* sums, std::int32_t count, float* norm) {
  __shared__ float shared[kAdamShared];
  CudaThread thread;
  adam_kernels::take_norm(thread, sums, count, norm, shared);
}

__global__ void __launch_bounds__(kAdamThreads)
    update_kernel(const __grid_constant__ AdamWork work,
                  const __grid_constant__ AdamNumbers numbers) {
  __shared__ float shared[kAdamShared];
  CudaThread thread;
  adam_kernels::update(thread, work, numbers, blockIdx.x, shared);
}

unsigned blocks_of(const AdamWork& work) { return static_cast<unsigned>(work.chunks()); }

}  // namespace

int launch_squares(const AdamWork& work, float* sums, void* stream) {
  squares_kernel<<<blocks_of(work), kAdamThreads, 0, static_cast<cudaStream_t>(stream)>>>(work,
                                                                                          sums);
  return cudaGetLastError();
}

int launch_norm(const float* sums, std::int32_t count, float* norm, void* stream) {
  norm_kernel<<<1, kAdamThreads, 0, static_cast<cudaStream_t>(stream)>>>(sums, count, norm);
  return cudaGetLastError();
}

int launch_update(const AdamWork& work, const AdamNumbers& numbers, void* stream) {
  update_kernel<<<blocks_of(work), kAdamThreads, 0, static_cast<cudaStream_t>(stream)>>>(work,
                                                                                         numbers);
  return cudaGetLastError();
}

}  // namespace sparse_transformer
