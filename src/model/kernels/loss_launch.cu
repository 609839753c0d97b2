#include <cuda_runtime.h>

#include "model/kernels/loss.cuh"
#include "model/kernels/loss_launch.h"
#include "runtime/cuda/thread.cuh"

namespace sparse_transformer {
namespace {

constexpr int kThreads = 256;
constexpr int kRowsABlock = kThreads / loss_kernels::kLanes;

__global__ void __launch_bounds__(kThreads)
    forward_kernel(const LossRows<float> loss, std::int64_t rows, float* nats) {
  CudaThread thread;
  loss_kernels::forward(thread, blockIdx.x, loss, rows, nats);
}

__global__ void __launch_bounds__(kThreads)
    backward_kernel(const LossRows<float> loss, std::int64_t rows, const float* d_sum,
                    float* d_logits) {
  CudaThread thread;
  loss_kernels::backward(thread, blockIdx.x, loss, rows, d_sum, d_logits);
}

unsigned blocks_of(std::int64_t rows) {
  return static_cast<unsigned>((rows + kRowsABlock - 1) / kRowsABlock);
}

}  // namespace

int launch_loss(const LossRows<float>& loss, std::int64_t rows, float* nats, void* stream) {
  forward_kernel<<<blocks_of(rows), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(loss, rows,
                                                                                      nats);
  return cudaGetLastError();
}

int launch_loss_gradient(const LossRows<float>& loss, std::int64_t rows, const float* d_sum,
                         float* d_logits, void* stream) {
  backward_kernel<<<blocks_of(rows), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      loss, rows, d_sum, d_logits);
  return cudaGetLastError();
}

}  // namespace sparse_transformer
