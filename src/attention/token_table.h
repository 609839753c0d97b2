// Where rows lie (row_places.h), written out for every position of a layer: what a kernel on the
// GPU looks up with a position that the host does not know.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "attention/row_places.h"

namespace sparse_transformer {

struct TokenTable {
  std::int64_t places, runs;  // of an entry
  /// int32 [positions, sets, places + 3·runs] on the CPU: for each set of heads that lie alike, the
  /// rows where a position's own row belongs (-1: in none), then the runs that its query reads,
  /// each as its first row, step and count (0: no run). Rows are counted from the head's first.
  at::Tensor entries;
  at::Tensor heads;  // int64 [heads, 2] on the CPU: its set, and its first row in the layer
};

/// Most rows that a position's own is copied to, and most runs, of a table.
inline constexpr std::int64_t kMostPlaces = 16;
inline constexpr std::int64_t kMostRuns = 16;

/// Of the positions 0 … length - 1. Nothing where a position has more than that, as listed blocks
/// do, or the table would be larger than 256 MiB.
std::optional<TokenTable> token_table(const LayerPlaces& layer, std::int64_t length);

}  // namespace sparse_transformer
