// A layer of bands as calls of the CUDA kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "attention/head_shape.h"
#include "attention/kernels/band_call.h"
#include "attention/pattern.h"

namespace sparse_transformer {

/// Whether the kernels of band_tiles.cuh can compute the layer: half precision, widths that are
/// multiples of 8 up to 128, and heads whose pieces are all bands. A dense band counts as none: it
/// is bound by arithmetic, where LibTorch's kernels are faster; these are bound by memory.
bool is_union_of_bands(const at::Tensor& packed, const LayerPattern& pattern,
                       const HeadShape& shape);

struct UnionCalls {
  /// Group by group, a group's bands in their order; the memory is yet to be named.
  std::vector<BandCall> calls;
  /// Groups whose first call does not write every position: their `out` and gradient must be 0 and
  /// their `lse` -inf before.
  std::vector<const HeadGroup*> partial;
};

UnionCalls union_calls(const at::Tensor& packed, const LayerPattern& pattern,
                       const HeadShape& shape);

}  // namespace sparse_transformer
