// Blocks that take turns at the bands of a head group (union_work.h).
#pragma once

#include "attention/kernels/band_tiles.cuh"
#include "attention/kernels/union_work.h"

namespace sparse_transformer::union_kernels {

/// Calls run(turn) when the bands that it continues are finished. `shared`: of the block, free
/// before and after.
template <typename Thread, typename Run>
SPARSE_TRANSFORMER_DEVICE void take_turn(Thread& thread, const UnionWork& work,
                                         std::int32_t* counters, std::uint16_t* shared,
                                         const Run& run) {
  auto* ticket = reinterpret_cast<std::int32_t*>(shared);
  if (thread.index() == 0) *ticket = thread.count_up(counters);
  thread.synchronize();
  const UnionWork::Turn turn = work.turn(*ticket);
  if (turn.band < 0) return;
  std::int32_t* finished = counters + 1 + turn.slice;
  if (thread.index() == 0) thread.wait_until(finished, turn.earlier);
  thread.synchronize();
  run(turn);
  thread.synchronize();
  if (thread.index() == 0) thread.count_up(finished);
}

}  // namespace sparse_transformer::union_kernels
