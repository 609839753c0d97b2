// The CUDA kernels of a union of pieces (union_forward.cu, union_backward.cu), for the host: what a
// launch computes, and in which order its blocks work.
//
// A launch computes softmax(q·kᵀ)·v of one head group over the keys of all its pieces, on the
// packed tensor in place. A piece is a band, dense attention over groups of rows with one distance
// in memory (a window has one group, every position; a column is a group of every l-th), or a list
// of keys of which a query sees the first ones (the paper's summary columns). The pieces of a head
// follow one after the other: a later one accumulates into the `out` and `lse` (on the way back:
// the gradient) that the earlier ones left, so a union needs no memory of its own, and every sum
// has one order: results repeat bit for bit.
//
// Launched one after the other, each piece would fetch queries, keys and values from the GPU's main
// memory anew: a layer is far larger than the cache. So the layer is cut into slices, a few heads
// of one sequence, and a launch does the first piece of slice i, then the second piece of slice
// i - lag, whose numbers are still in the cache, then the first piece of slice i + 1, and so on.
// Blocks take their turns in the order in which they begin. A block waits until all blocks of its
// slice's earlier pieces are finished. Those have earlier turns: they have begun, and none of them
// waits for a later turn, so every wait ends. `lag` makes waiting rare: 1 + the blocks that run at
// once over the blocks of a slice.
#pragma once

#include <cstdint>

#include "runtime/half.h"

namespace sparse_transformer {

constexpr std::int32_t divide_up(std::int32_t a, std::int32_t b) { return (a + b - 1) / b; }

/// The queries of a piece: position t = origin + (segment·length + i)·inner + column is row i of
/// group (segment, column), for t < n.
struct QueryGroups {
  std::int32_t n;
  std::int32_t length, inner, origin;

  constexpr std::int32_t rows() const { return divide_up(n - origin, inner); }
  constexpr std::int32_t segments() const { return divide_up(rows(), length); }
  constexpr std::int32_t longest_group() const { return rows() < length ? rows() : length; }
};

/// Row i sees the rows j of the group `shift` segments before its own with low <= i - j <= high and
/// j < keys (Band of piece.h).
struct BandKeys {
  std::int32_t shift, low, high, keys;
};

/// `width` keys of every period, listed one after the other: of head h the columns first_column(h),
/// first_column(h) + width_step, ... of the period (Shared of piece.h). Position t sees those of
/// all periods that began at least `delay` positions before.
struct ListedKeys {
  std::int32_t width;  // 0: the piece is a band
  std::int32_t width_step, period, origin;
  std::int32_t first, rotate, blocks;
  std::int32_t delay;  // negative: right after the head's last column

  constexpr std::int32_t first_column(std::int32_t head) const {
    return first - rotate * (head % blocks);
  }
  /// The first position that sees the keys of the first period.
  constexpr std::int32_t first_query(std::int32_t head) const {
    return origin + (delay >= 0 ? delay : first_column(head) + (width - 1) * width_step + 1);
  }
  /// How many keys are listed for n positions, at most.
  constexpr std::int32_t longest(std::int32_t n) const {
    return n <= origin ? 0 : divide_up(n - origin, period) * width;
  }
  /// How many listed keys position t sees.
  constexpr std::int32_t keys_of(std::int32_t t, std::int32_t head) const {
    const std::int32_t since = t - first_query(head);
    return since < 0 ? 0 : (since / period + 1) * width;
  }
};

struct UnionPiece {
  QueryGroups queries;
  BandKeys band;
  ListedKeys list;
  /// Accumulates into what earlier pieces of these heads left. Otherwise overwrites every position
  /// from the origin on.
  bool accumulates;

  constexpr bool is_list() const { return list.width > 0; }
};

/// Sizes of a layer, and the heads that a launch is for.
struct LayerSizes {
  std::int32_t batch, heads;  // of the tensors
  std::int32_t first_head, group_heads;
  std::int32_t slice_heads;               // heads of a slice, a divisor of group_heads
  std::int32_t query_width, value_width;  // multiples of 8 up to 128
};

/// The tensors of a layer, dense and aligned to 16 bytes: packed and d_packed [batch, n, heads,
/// 2·query_width + value_width], out and d_out [batch, n, heads, value_width], lse and delta
/// [batch, n, heads].
struct LayerMemory {
  const std::uint16_t* packed = nullptr;
  std::uint16_t* out = nullptr;
  float* lse = nullptr;  // natural logarithm; -inf for a query without any key
  const std::uint16_t* d_out = nullptr;
  float* delta = nullptr;  // Σ d_out · out of each query
  std::uint16_t* d_packed = nullptr;
};

struct UnionParams {
  static constexpr int kMostPieces = 4;

  LayerSizes sizes;
  LayerMemory memory;
  float scale;
  UnionPiece pieces[kMostPieces];
  std::int32_t count;                // of pieces
  std::int32_t warps;                // of a block: 1, 2 or 4
  std::int32_t blocks[kMostPieces];  // of a slice, in each piece
  std::int32_t slices;
  /// union_counters() numbers on the device, 0 before the launch.
  std::int32_t* counters;

  // Set by the launch.
  std::int32_t lag;
  std::int32_t round;  // blocks of a slice, in all pieces
};

/// Numbers that the blocks of a launch share: the next turn, then for each slice the blocks that
/// are finished.
constexpr std::int64_t union_counters(const UnionParams& params) {
  return 1 + std::int64_t{params.slices};
}

constexpr int kWarpRows = 16;  // rows of a tile that a warp has: the m of mma.m16n8k16

/// Blocks that do a piece in one slice on the way forward, and those of keys on the way back: each
/// has a tile of rows of one group and one head.
constexpr std::int32_t query_blocks(const UnionPiece& piece, const LayerSizes& sizes,
                                    std::int32_t tile_rows) {
  return piece.queries.segments() * piece.queries.inner * sizes.slice_heads *
         divide_up(piece.queries.longest_group(), tile_rows);
}
constexpr std::int32_t key_blocks(const UnionPiece& piece, const LayerSizes& sizes,
                                  std::int32_t tile_rows) {
  if (!piece.is_list()) return query_blocks(piece, sizes, tile_rows);
  return sizes.slice_heads * divide_up(piece.list.longest(piece.queries.n), tile_rows);
}

/// What a block of the backward pass has: the keys or the queries of a tile. Of a band, those of
/// one tile follow each other, so that they share what they read; of a list the keys come first,
/// since early keys take longest.
struct BackwardBlock {
  bool has_keys;
  std::int32_t number;
};
constexpr BackwardBlock backward_block(const UnionPiece& piece, const LayerSizes& sizes,
                                       std::int32_t block, std::int32_t tile_rows) {
  if (!piece.is_list()) return {block % 2 == 1, block / 2};
  const std::int32_t keys = key_blocks(piece, sizes, tile_rows);
  return block < keys ? BackwardBlock{true, block} : BackwardBlock{false, block - keys};
}

// `stream` is a cudaStream_t; functions return CUDA's error codes, 0 for none.

int launch_union_forward(UnionParams params, HalfType type, void* stream);

/// `delta` of all heads of a layer of `rows` queries (batch · n · heads): before any backward
/// launch.
int launch_union_delta(const LayerMemory& memory, std::int64_t rows, std::int32_t value_width,
                       HalfType type, void* stream);
int launch_union_backward(UnionParams params, HalfType type, void* stream);

}  // namespace sparse_transformer
