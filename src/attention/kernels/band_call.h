// One band of a sparse pattern as the CUDA kernels take it: where its rows lie, who sees whom, and
// the memory of the layer. Plain data, known to nvcc, to the host compiler and to the tests'
// emulator alike.
#pragma once

#include <cstdint>

#include "runtime/cuda/device_code.h"

namespace sparse_transformer {

/// A Band (piece.h) cut to n positions: position t = origin + (o·length + i)·inner + c is row i of
/// group (segment o, column c). Row i of a group sees the rows j of the group `shift` segments
/// before it with low <= i - j <= high and j < keys.
struct BandGeometry {
  std::int32_t n;
  std::int32_t length, inner, origin, shift;
  std::int32_t low, high, keys;

  SPARSE_TRANSFORMER_ANYWHERE std::int32_t rows() const {  // of a column of the whole sequence
    return divide_up(n - origin, inner);
  }
  SPARSE_TRANSFORMER_ANYWHERE std::int32_t segments() const { return divide_up(rows(), length); }
  SPARSE_TRANSFORMER_ANYWHERE std::int32_t longest_group() const {
    return rows() < length ? rows() : length;
  }

  SPARSE_TRANSFORMER_ANYWHERE static std::int32_t divide_up(std::int32_t a, std::int32_t b) {
    return (a + b - 1) / b;
  }
};

/// Sizes of a layer and the heads that a call is for.
struct LayerSizes {
  std::int32_t batch, heads;  // of the tensors
  std::int32_t first_head, group_heads;
  std::int32_t slice_heads;  // heads that are computed together, a divisor of group_heads
  std::int32_t query_width, value_width;  // multiples of 8
};

/// The tensors of a layer, each dense: packed and d_packed [batch, n, heads, 2·query_width +
/// value_width], out and d_out [batch, n, heads, value_width], lse and delta [batch, n, heads].
struct LayerMemory {
  const std::uint16_t* packed = nullptr;
  std::uint16_t* out = nullptr;
  float* lse = nullptr;  // natural logarithm; -inf for a query without any key
  const std::uint16_t* d_out = nullptr;
  float* delta = nullptr;  // Σ d_out · out of each query
  std::uint16_t* d_packed = nullptr;
};

struct BandCall {
  BandGeometry band;
  LayerSizes sizes;
  LayerMemory memory;
  float scale;
  /// Adds to what earlier bands of these heads left in `out` and `lse` (`d_packed` on the way
  /// back). Otherwise writes them at every position from the origin on.
  bool continues;
};

constexpr int kWarpRows = 16;  // of a tile, a warp's; the m of mma.m16n8k16

/// Blocks that do a band in one slice (slice_heads heads of a sequence): every block has a tile of
/// rows of one group and one head.
inline std::int64_t blocks_a_slice(const BandCall& call, int warps) {
  const std::int64_t groups = std::int64_t{call.band.segments()} * call.band.inner;
  const std::int64_t tiles = BandGeometry::divide_up(call.band.longest_group(), warps * kWarpRows);
  return groups * tiles * call.sizes.slice_heads;
}

}  // namespace sparse_transformer
