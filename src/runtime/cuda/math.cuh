// Approximate functions of one instruction. Results too small for a normal number are 0.
#pragma once

namespace sparse_transformer {

constexpr float kLog2E = 1.4426950408889634f;

/// 2ˣ to two units in the last place.
__device__ __forceinline__ float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// 1 / x to one unit in the last place.
__device__ __forceinline__ float fast_reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace sparse_transformer
