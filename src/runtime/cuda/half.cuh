// Half-precision numbers in registers, two in each.
#pragma once

#include <cstdint>

#include "runtime/half.h"

namespace sparse_transformer {

/// `low` in the lower half, both rounded to nearest.
template <HalfType kType>
__device__ __forceinline__ std::uint32_t pack_halfs(float low, float high) {
  std::uint32_t pair;
  if constexpr (kType == HalfType::kBfloat16) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  }
  return pair;
}

template <HalfType kType>
__device__ __forceinline__ float2 unpack_halfs(std::uint32_t pair) {
  if constexpr (kType == HalfType::kBfloat16) {
    return {__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u)};
  } else {
    float2 x;
    asm("{.reg .b16 l, h; mov.b32 {l, h}, %2; cvt.f32.f16 %0, l; cvt.f32.f16 %1, h;}"
        : "=f"(x.x), "=f"(x.y)
        : "r"(pair));
    return x;
  }
}

/// The eight numbers of 16 bytes.
template <HalfType kType>
__device__ __forceinline__ uint4 pack_halfs(const float (&x)[8]) {
  return {pack_halfs<kType>(x[0], x[1]), pack_halfs<kType>(x[2], x[3]),
          pack_halfs<kType>(x[4], x[5]), pack_halfs<kType>(x[6], x[7])};
}

template <HalfType kType>
__device__ __forceinline__ void unpack_halfs(uint4 words, float (&x)[8]) {
  const std::uint32_t pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 two = unpack_halfs<kType>(pairs[i]);
    x[2 * i] = two.x;
    x[2 * i + 1] = two.y;
  }
}

}  // namespace sparse_transformer
