// The bands of a head group as the work of one launch.
//
// A band must be finished before the next one goes on from its results. Launched one after the
// other, each would fetch queries, keys and values from the GPU's main memory anew: a layer is far
// larger than the cache. So the layer is cut into slices, a few heads of one sequence, and a launch
// does the first band of slice i, then the second band of slice i - lag, whose numbers are still in
// the cache, then the first band of slice i + 1, and so on.
//
// Blocks take their turn in the order in which they begin. A block counts itself as finished in its
// slice, and waits until all blocks of its slice's earlier bands are. Those have earlier turns:
// they have begun, and none of them waits for a later turn, so every wait ends, whatever the order
// in which a GPU begins its blocks. `lag` makes waiting rare: 1 + the blocks that run at once over
// the blocks of a slice.
#pragma once

#include "attention/kernels/band_call.h"

namespace sparse_transformer {

struct UnionWork {
  static constexpr int kMostBands = 4;

  /// What a block does. No band: nothing.
  struct Turn {
    std::int32_t band;
    std::int32_t slice;
    std::int64_t block;    // of the band, over all slices
    std::int32_t earlier;  // blocks of the slice in earlier bands
  };

  BandCall bands[kMostBands];
  std::int32_t count;               // of bands
  std::int32_t warps;               // of a block
  std::int32_t blocks[kMostBands];  // of a slice, in each band
  std::int32_t slices;
  std::int32_t lag;

  SPARSE_TRANSFORMER_ANYWHERE std::int64_t round() const {
    std::int64_t sum = 0;
    for (int i = 0; i < count; ++i) sum += blocks[i];
    return sum;
  }
  /// Blocks of a launch.
  SPARSE_TRANSFORMER_ANYWHERE std::int64_t turns() const {
    return round() * (slices + lag * (count - 1));
  }
  SPARSE_TRANSFORMER_ANYWHERE Turn turn(std::int64_t number) const {
    Turn turn = {0, static_cast<std::int32_t>(number / round()), number % round(), 0};
    while (turn.block >= blocks[turn.band]) {
      turn.block -= blocks[turn.band];
      turn.earlier += blocks[turn.band];
      ++turn.band;
    }
    turn.slice -= turn.band * lag;
    if (turn.slice < 0 || turn.slice >= slices) {
      turn.band = -1;
    } else {
      turn.block += static_cast<std::int64_t>(turn.slice) * blocks[turn.band];
    }
    return turn;
  }
};

/// Numbers that the blocks of a launch share, 0 before it: the next turn, then for each slice the
/// blocks that are finished.
inline std::int64_t counters_of(const UnionWork& work) { return 1 + std::int64_t{work.slices}; }

}  // namespace sparse_transformer
