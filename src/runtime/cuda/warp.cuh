// Reductions over the threads of a warp. All 32 of them call a function together, and each gets the
// result.
#pragma once

namespace sparse_transformer {

constexpr unsigned kWholeWarp = 0xffffffff;

/// Adds in one order, so that results repeat bit for bit.
__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int bits = 16; bits > 0; bits /= 2) x += __shfl_xor_sync(kWholeWarp, x, bits);
  return x;
}

}  // namespace sparse_transformer
