// Rectangles of a sequence as tensors that kernels take, without a copy.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "attention/kernels/banded.h"
#include "attention/piece.h"

namespace sparse_transformer {

/// Part of a [batch, n, heads, width] tensor: some sequences, some heads, and the positions
/// start + o·outer_step + i·step + c with o < outer, i < length, c < columns.
struct Slice {
  std::int64_t start = 0;
  std::int64_t outer = 1, outer_step = 0;
  std::int64_t length = 0, step = 1;
  std::int64_t columns = 1;
  std::int64_t first_head = 0, heads = 0, head_step = 1;
  std::int64_t first_sequence = 0, sequences = 0;

  /// Of all its sequences.
  std::int64_t positions() const { return sequences * outer * length * columns; }
};

/// [sequences, outer, length, columns, heads, width], sharing the memory of `x`.
at::Tensor unfolded(const at::Tensor& x, const Slice& slice);

/// [sequences · outer, length, columns · heads, width], sharing the memory of `x`. What is folded
/// must have one stride: all sequences whole or one of either; all heads or one of either.
at::Tensor select(const at::Tensor& x, const Slice& slice);

/// One call of the banded kernel: these queries against those keys.
struct BandedCall {
  Slice query, key;
  BandMask mask = {};
};

/// The sizes that a piece is laid out for.
struct SequenceShape {
  std::int64_t batch, n, heads;
};

/// Consecutive heads.
struct HeadRange {
  std::int64_t first, count;
};

/// A band as calls in which every query has a key; queries without any are in no call, and no query
/// is in two. One call where the view divides n, further ones for what is left at the end.
/// `windows`: the kernel has bands of its own, and a window over the whole sequence is one call;
/// otherwise it becomes causal rows of its width and the rest in the row before, and a query may be
/// in both.
std::vector<BandedCall> banded_calls(const Band& band, const SequenceShape& shape, HeadRange heads,
                                     bool windows);

}  // namespace sparse_transformer
