// What code for the GPU and code for the processor share: known to nvcc, to the host compiler and
// to the tests' emulator (tests/runtime/cuda/emulated_block.h) alike.
#pragma once

#include "runtime/half.h"

#ifdef __CUDACC__
#define SPARSE_TRANSFORMER_ANYWHERE __host__ __device__ __forceinline__
#define SPARSE_TRANSFORMER_DEVICE __device__ __forceinline__
#define SPARSE_TRANSFORMER_UNROLL _Pragma("unroll")
#else
#define SPARSE_TRANSFORMER_ANYWHERE inline
#define SPARSE_TRANSFORMER_DEVICE inline
#define SPARSE_TRANSFORMER_UNROLL
#endif
