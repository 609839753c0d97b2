#include <cuda_runtime.h>

#include "attention/kernels/token_attend.cuh"
#include "attention/kernels/token_launch.h"
#include "runtime/cuda/thread.cuh"

namespace sparse_transformer {
namespace {

constexpr int kThreads = 32 * token_kernels::kMostWarps;

template <CacheType kType>
__global__ void __launch_bounds__(kThreads) attend_kernel(const TokenCall call) {
  __shared__ uint4 memory[token_kernels::kSharedBytes / sizeof(uint4)];
  CudaThread thread;
  token_kernels::attend<kType>(thread, blockIdx.x, call, reinterpret_cast<std::uint16_t*>(memory));
}

}  // namespace

int launch_token_attention(const TokenCall& call, CacheType type, void* stream) {
  const auto kernel = type == CacheType::kFloat32    ? attend_kernel<CacheType::kFloat32>
                      : type == CacheType::kBfloat16 ? attend_kernel<CacheType::kBfloat16>
                                                     : attend_kernel<CacheType::kFloat16>;
  kernel<<<static_cast<unsigned>(call.batch * call.heads), kThreads, 0,
           static_cast<cudaStream_t>(stream)>>>(call);
  return cudaGetLastError();
}

}  // namespace sparse_transformer
