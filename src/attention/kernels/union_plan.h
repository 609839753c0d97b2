// A layer of bands as launches of the CUDA kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "attention/head_shape.h"
#include "attention/kernels/union_work.h"
#include "attention/pattern.h"

namespace sparse_transformer {

/// Whether the kernels of band_tiles.cuh can compute the layer: half precision, widths that are
/// multiples of 8 up to 128, and heads whose pieces are all bands, a few a
/// head. A dense band counts as none: it
/// is bound by arithmetic, where LibTorch's kernels are faster; these are bound by memory.
bool is_union_of_bands(const at::Tensor& packed, const LayerPattern& pattern,
                       const HeadShape& shape);

enum class Direction { kForward, kBackward };

struct UnionPlan {
  /// One launch a head group; memory and lag are yet to be named.
  std::vector<UnionWork> launches;
  /// Groups whose first band does not write every position: their `out` and gradient must be 0 and
  /// their `lse` -inf before.
  std::vector<const HeadGroup*> partial;
};

/// `slice_bytes`: of queries, keys, values and outputs that are worked at together (union_work.h);
/// a few slices should fit the GPU's cache.
UnionPlan union_plan(const at::Tensor& packed, const LayerPattern& pattern, const HeadShape& shape,
                     Direction direction, std::int64_t slice_bytes = 6 << 20);

}  // namespace sparse_transformer
