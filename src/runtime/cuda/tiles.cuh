// Tiles of half-precision matrices on tensor cores, for templates of `Thread` (runtime/cuda/
// thread.cuh): in shared memory, and in accumulators on their way to memory.
#pragma once

#include <cstdint>

#include "runtime/cuda/device_code.h"

namespace sparse_transformer::tiles {

/// A matrix [rows, kWidth] in shared memory. 16 bytes between rows put the 8 rows that ldmatrix
/// reads at once into different banks.
template <int kWidth>
struct Tile {
  static constexpr int kStep = kWidth + 8;
  SPARSE_TRANSFORMER_ANYWHERE static constexpr int size(int rows) { return rows * kStep; }
};

/// Between the four threads that share a row of accumulators: thread c gets in x[i] what thread i
/// had in x[c].
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE void transpose(Thread& thread, std::uint32_t (&x)[4]) {
  SPARSE_TRANSFORMER_UNROLL
  for (int bit = 1; bit < 4; bit *= 2) {
    const bool upper = (thread.lane() & bit) != 0;
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < 4; ++i) {
      if ((i & bit) != 0) continue;
      const std::uint32_t theirs = thread.exchange(upper ? x[i] : x[i | bit], bit);
      if (upper) {
        x[i] = theirs;
      } else {
        x[i | bit] = theirs;
      }
    }
  }
}

}  // namespace sparse_transformer::tiles
