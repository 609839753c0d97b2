// Rectangles of a sequence as tensors that kernels take, without a copy.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "attention/kernels/banded.h"
#include "attention/piece.h"

namespace sparse_transformer {

/// Part of a [batch, n, heads, width] tensor seen through a view: some heads, some of the outer
/// segments, some of the positions along the view's length.
struct Slice {
  View view = {};
  std::int64_t first_head = 0, heads = 0;
  std::int64_t first_outer = 0, outer = 0;
  std::int64_t first = 0, length = 0;
  std::int64_t first_sequence = 0, sequences = 0;
};

/// [sequences · outer, length, inner · heads, width], sharing the memory of `x`.
at::Tensor select(const at::Tensor& x, const Slice& slice);

/// One call of the banded kernel: these queries against those keys.
struct BandedCall {
  Slice query, key;
  BandMask mask = {};
};

/// The sizes that a piece is laid out for.
struct SequenceShape {
  std::int64_t batch, n, heads;  // n: a multiple of the stride
};

/// A band over the heads [first_head, first_head + heads) as calls in which every query has a key.
/// Queries without any key are in no call. `windows`: the kernel has bands of its own, and a window
/// over the whole sequence is one call; otherwise it becomes causal rows and the rest in the row
/// before, for which n must be a multiple of its width.
std::vector<BandedCall> banded_calls(const Band& band, const SequenceShape& shape,
                                     std::int64_t first_head, std::int64_t heads, bool windows);

}  // namespace sparse_transformer
