#include <cuda_runtime.h>

#include <type_traits>

#include "model/kernels/embedding.cuh"
#include "model/kernels/embedding_launch.h"
#include "runtime/cuda/thread.cuh"

namespace sparse_transformer {
namespace {

using embedding_kernels::Stored;

constexpr int kThreads = 256;

template <ActivationType kType>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const __grid_constant__ EmbeddingSizes sizes,
                   const __grid_constant__ EmbeddingTables tables, const std::uint8_t* tokens,
                   typename Stored<kType>::Type* out) {
  CudaThread thread;
  embedding_kernels::forward<kType>(thread, blockIdx.x, sizes, tables, tokens, out);
}

template <ActivationType kType>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const __grid_constant__ EmbeddingSizes sizes,
                    const EmbeddingStretches stretches, const std::uint8_t* tokens,
                    const typename Stored<kType>::Type* d_out, float* sums) {
  __shared__ float shared[embedding_kernels::backward_bytes(kThreads) / sizeof(float)];
  CudaThread thread;
  embedding_kernels::backward<kType>(thread, blockIdx.x, sizes, stretches, tokens, d_out, sums,
                                     shared);
}

/// Calls run(type) with the type as a constant.
template <typename Run>
int with_type(ActivationType type, const Run& run) {
  switch (type) {
    case ActivationType::kBfloat16:
      run(std::integral_constant<ActivationType, ActivationType::kBfloat16>());
      break;
    case ActivationType::kFloat16:
      run(std::integral_constant<ActivationType, ActivationType::kFloat16>());
      break;
    case ActivationType::kFloat32:
      run(std::integral_constant<ActivationType, ActivationType::kFloat32>());
      break;
  }
  return cudaGetLastError();
}

}  // namespace

int launch_embedding(const EmbeddingSizes& sizes, const EmbeddingTables& tables,
                     const std::uint8_t* tokens, void* out, ActivationType type, void* stream) {
  const auto blocks = static_cast<unsigned>(embedding_kernels::forward_blocks(sizes, kThreads));
  return with_type(type, [&](auto its_type) {
    constexpr ActivationType kType = decltype(its_type)::value;
    forward_kernel<kType><<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        sizes, tables, tokens, static_cast<typename Stored<kType>::Type*>(out));
  });
}

int launch_embedding_gradient(const EmbeddingSizes& sizes, const EmbeddingStretches& stretches,
                              const std::uint8_t* tokens, const void* d_out, float* sums,
                              ActivationType type, void* stream) {
  const auto blocks = static_cast<unsigned>(embedding_kernels::backward_blocks(sizes, stretches));
  return with_type(type, [&](auto its_type) {
    constexpr ActivationType kType = decltype(its_type)::value;
    backward_kernel<kType><<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        sizes, stretches, tokens, static_cast<const typename Stored<kType>::Type*>(d_out), sums);
  });
}

}  // namespace sparse_transformer
