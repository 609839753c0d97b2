// What code for the GPU and code for the processor share: known to nvcc, to the host compiler and
// to the tests' emulator (tests/runtime/cuda/emulated_block.h) alike.
#pragma once

#ifdef __CUDACC__
#define SPARSE_TRANSFORMER_ANYWHERE __host__ __device__ __forceinline__
#define SPARSE_TRANSFORMER_DEVICE __device__ __forceinline__
#define SPARSE_TRANSFORMER_UNROLL _Pragma("unroll")
#else
#define SPARSE_TRANSFORMER_ANYWHERE inline
#define SPARSE_TRANSFORMER_DEVICE inline
#define SPARSE_TRANSFORMER_UNROLL
#endif

namespace sparse_transformer {

/// Half-precision numbers travel as their 16 bits.
enum class HalfType { kBfloat16, kFloat16 };

}  // namespace sparse_transformer
