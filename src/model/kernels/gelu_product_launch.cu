#include <cuda_runtime.h>

#include <limits>

#include "model/kernels/gelu_product.cuh"
#include "runtime/cuda/thread.cuh"

namespace sparse_transformer {
namespace {

using gelu_product::Factor;
using gelu_product::kSharedBytes;
using gelu_product::kThreads;

constexpr int kBlocksEach =
    2;  // of a multiprocessor: one multiplies while the other begins or ends

template <HalfType kType>
__global__ void __launch_bounds__(kThreads, kBlocksEach)
    product_kernel(const __grid_constant__ GeluProduct work) {
  extern __shared__ uint4 memory[];
  CudaThread thread;
  gelu_product::forward<kType>(thread, blockIdx.x, work, reinterpret_cast<std::uint16_t*>(memory));
}

template <HalfType kType>
__global__ void __launch_bounds__(kThreads, kBlocksEach)
    gradient_kernel(const __grid_constant__ GeluProduct work, float* sums) {
  extern __shared__ uint4 memory[];
  CudaThread thread;
  gelu_product::gradient<kType>(thread, blockIdx.x, work, reinterpret_cast<std::uint16_t*>(memory),
                                sums);
}

template <typename... Parameters, typename... Arguments>
int launch(void (*kernel)(Parameters...), int bytes, void* stream, const GeluProduct& work,
           const Arguments&... arguments) {
  const std::int64_t blocks = gelu_product::blocks(work);
  if (blocks > std::numeric_limits<std::int32_t>::max()) return cudaErrorInvalidConfiguration;
  const cudaError_t error =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  kernel<<<static_cast<unsigned>(blocks), kThreads, static_cast<std::size_t>(bytes),
           static_cast<cudaStream_t>(stream)>>>(work, arguments...);
  return cudaGetLastError();
}

}  // namespace

int launch_gelu_product(const GeluProduct& work, HalfType type, void* stream) {
  const auto kernel = type == HalfType::kBfloat16 ? product_kernel<HalfType::kBfloat16>
                                                  : product_kernel<HalfType::kFloat16>;
  return launch(kernel, kSharedBytes<Factor::kByColumns>, stream, work);
}

int launch_gelu_product_gradient(const GeluProduct& work, HalfType type, float* sums,
                                 void* stream) {
  const auto kernel = type == HalfType::kBfloat16 ? gradient_kernel<HalfType::kBfloat16>
                                                  : gradient_kernel<HalfType::kFloat16>;
  return launch(kernel, kSharedBytes<Factor::kByRows>, stream, work, sums);
}

}  // namespace sparse_transformer
