// From the pieces of a layer to launches of the CUDA kernels of union_attention.h. Knows no tensor.
#pragma once

#include <cstdint>
#include <vector>

#include "attention/head_shape.h"
#include "attention/kernels/union_attention.h"
#include "attention/pattern.h"

namespace sparse_transformer {

/// Whether the kernels can compute the layer for n positions in half precision: widths of heads
/// that are multiples of 8 up to 128, and a few pieces a head that are bands or lists of keys. A
/// dense band is not served: arithmetic bounds it, and LibTorch's kernels are faster there.
bool is_served_union(const LayerPattern& pattern, const HeadShape& shape, std::int64_t n);

enum class Direction { kForward, kBackward };

struct UnionPlan {
  /// One launch a head group. Memory and counters are yet to be set.
  std::vector<UnionParams> launches;
  /// Groups of which the first piece does not write every position: before the launches their `out`
  /// and gradient must be 0 and their `lse` -inf.
  std::vector<const HeadGroup*> partial;
};

/// What changes the speed of a plan and no result.
struct UnionTuning {
  /// Queries, keys, values and outputs of a slice; a few slices should fit the GPU's cache.
  std::int64_t slice_bytes = 6 << 20;
  std::int32_t warps = 0;  // of a block: 1, 2 or 4; 0 for the best by a model of the GPU
};

/// The plan refers to the pattern's groups.
UnionPlan union_plan(const LayerPattern& pattern, const HeadShape& shape, std::int64_t batch,
                     std::int64_t n, Direction direction, const UnionTuning& tuning = {});

}  // namespace sparse_transformer
