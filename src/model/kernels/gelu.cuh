// The model's non-linearity f(u) = u · sigmoid(1.702 · u) (paper §5.2) and its derivative.
#pragma once

#include "runtime/cuda/math.cuh"

namespace sparse_transformer {

constexpr float kGeluSlope = 1.702f;

__device__ __forceinline__ float sigmoid(float x) {
  return fast_reciprocal(1.0f + fast_exp2(-kLog2E * x));
}

__device__ __forceinline__ float gelu(float u) { return u * sigmoid(kGeluSlope * u); }

/// With s = sigmoid(1.702 · u), f'(u) = s + 1.702 · u · s · (1 - s).
__device__ __forceinline__ float gelu_derivative(float u) {
  const float s = sigmoid(kGeluSlope * u);
  return s + kGeluSlope * u * s * (1.0f - s);
}

}  // namespace sparse_transformer
