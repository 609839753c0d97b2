// The union of bands of a head on CUDA: softmax(q·kᵀ)·v over the keys of all its bands, and its
// gradient, on packed queries, keys and values in place.
//
// A band is dense attention over groups of rows with one distance in memory (band_call.h): a window
// has one group, every position; a column is a group of every l-th. So one kernel serves both. A
// block of threads owns a tile of rows of one group, 16 a warp, and meets the tiles of the other
// side that they see, one after the other (Dao et al. 2022, arXiv:2205.14135). The bands of a head
// follow one after the other (union_work.h): a later one goes on from the `out` and `lse` (on the
// way back: the gradient) that the earlier ones left in place, so a union needs no array of its
// own, and a sum has one order: results repeat bit for bit. On the way back one block owns the
// queries of a tile and another its keys.
//
// The code is a template of `Thread`, what a thread of the device can do: thread.cuh has it for
// CUDA, tests/runtime/cuda/emulated_block.h for a block emulated on the CPU. All threads of a warp
// call a function of Thread together.
#pragma once

#include <cstdint>

#include "attention/kernels/band_call.h"
#include "runtime/cuda/tiles.cuh"

namespace sparse_transformer::union_kernels {

using tiles::Tile;
using tiles::transpose;

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kMinusInfinity = -__builtin_huge_valf();

SPARSE_TRANSFORMER_DEVICE int smaller(int a, int b) { return a < b ? a : b; }
SPARSE_TRANSFORMER_DEVICE int larger(int a, int b) { return a > b ? a : b; }
SPARSE_TRANSFORMER_DEVICE float larger(float a, float b) { return a > b ? a : b; }

/// Rows of a group, or of one tensor at those rows: row i is `first + i·step`.
struct Rows {
  std::int64_t first, step;
  int count;
};

/// One tensor's part of a group: row i begins at data[i·step].
template <typename T>
struct Matrix {
  T* data;
  std::int64_t step;
  int rows;
};

struct Range {
  int begin, end;
};

/// Where in the layer a block of threads works.
struct Place {
  int batch, head, segment, column;
  int tile;
};

/// Blocks go slice by slice. Within one, neighbours work at neighbouring heads, then columns: what
/// lies together in memory is read together.
SPARSE_TRANSFORMER_DEVICE Place place_of(const BandCall& call, std::int64_t block, int tiles) {
  const auto next = [&block](int count) {
    const auto part = static_cast<int>(block % count);
    block /= count;
    return part;
  };
  const LayerSizes& sizes = call.sizes;
  Place place;
  place.head = sizes.first_head + next(sizes.slice_heads);
  place.column = next(call.band.inner);
  place.tile = next(tiles);
  place.segment = next(call.band.segments());
  place.head += sizes.slice_heads * next(sizes.group_heads / sizes.slice_heads);
  place.batch = static_cast<int>(block);
  return place;
}

/// The positions of a group; none where there is no such segment.
SPARSE_TRANSFORMER_DEVICE Rows rows_of(const BandGeometry& band, int segment, int column) {
  const std::int64_t first =
      band.origin + static_cast<std::int64_t>(segment) * band.length * band.inner + column;
  Rows rows{first, band.inner, 0};
  if (segment < 0 || first >= band.n) return rows;
  const auto left = static_cast<int>(band.n - first);
  rows.count = smaller(band.length, BandGeometry::divide_up(left, band.inner));
  return rows;
}

SPARSE_TRANSFORMER_DEVICE Rows key_rows(const BandGeometry& band, int segment, int column) {
  Rows rows = rows_of(band, segment, column);
  rows.count = smaller(rows.count, band.keys);
  return rows;
}

/// A group's rows of a tensor [batch, n, heads, width] from its channel `first` on.
template <typename T>
SPARSE_TRANSFORMER_DEVICE Matrix<T> matrix(T* tensor, int width, int first, const BandCall& call,
                                           const Place& place, const Rows& rows) {
  const std::int64_t position = static_cast<std::int64_t>(call.sizes.heads) * width;
  return {tensor + (static_cast<std::int64_t>(place.batch) * call.band.n + rows.first) * position +
              static_cast<std::int64_t>(place.head) * width + first,
          rows.step * position, rows.count};
}

/// The matrices of one side of a call.
struct Side {
  SPARSE_TRANSFORMER_DEVICE Side(const BandCall& its_call, const Place& its_place,
                                 const Rows& its_rows)
      : call(its_call), place(its_place), rows(its_rows) {}

  template <typename T>
  SPARSE_TRANSFORMER_DEVICE Matrix<T> packed(T* tensor, int first) const {
    return matrix(tensor, 2 * call.sizes.query_width + call.sizes.value_width, first, call, place,
                  rows);
  }
  SPARSE_TRANSFORMER_DEVICE Matrix<const std::uint16_t> query() const {
    return packed(call.memory.packed, 0);
  }
  SPARSE_TRANSFORMER_DEVICE Matrix<const std::uint16_t> key() const {
    return packed(call.memory.packed, call.sizes.query_width);
  }
  SPARSE_TRANSFORMER_DEVICE Matrix<const std::uint16_t> value() const {
    return packed(call.memory.packed, 2 * call.sizes.query_width);
  }
  SPARSE_TRANSFORMER_DEVICE Matrix<std::uint16_t> d_query() const {
    return packed(call.memory.d_packed, 0);
  }
  SPARSE_TRANSFORMER_DEVICE Matrix<std::uint16_t> d_key() const {
    return packed(call.memory.d_packed, call.sizes.query_width);
  }
  SPARSE_TRANSFORMER_DEVICE Matrix<std::uint16_t> d_value() const {
    return packed(call.memory.d_packed, 2 * call.sizes.query_width);
  }
  SPARSE_TRANSFORMER_DEVICE Matrix<std::uint16_t> out() const {
    return matrix(call.memory.out, call.sizes.value_width, 0, call, place, rows);
  }
  SPARSE_TRANSFORMER_DEVICE Matrix<const std::uint16_t> d_out() const {
    return matrix(call.memory.d_out, call.sizes.value_width, 0, call, place, rows);
  }
  SPARSE_TRANSFORMER_DEVICE Matrix<float> lse() const {
    return matrix(call.memory.lse, 1, 0, call, place, rows);
  }
  SPARSE_TRANSFORMER_DEVICE Matrix<float> delta() const {
    return matrix(call.memory.delta, 1, 0, call, place, rows);
  }

  const BandCall& call;
  const Place& place;
  Rows rows;
};

/// Rows first … first + rows - 1 of a matrix into shared memory; what it does not have becomes 0.
template <int kWidth, typename Thread>
SPARSE_TRANSFORMER_DEVICE void load_rows(Thread& thread, std::uint16_t* tile,
                                         const Matrix<const std::uint16_t>& from, int width,
                                         int first, int rows) {
  constexpr int kChunk = 8;  // numbers in 16 bytes
  constexpr int kChunks = kWidth / kChunk;
  for (int i = thread.index(); i < rows * kChunks; i += thread.count()) {
    const int row = i / kChunks;
    const int channel = i % kChunks * kChunk;
    const bool present = first + row < from.rows && channel < width;
    const std::uint16_t* source = from.data;
    if (present) source += (first + row) * from.step + channel;
    thread.template copy_async<16>(tile + row * Tile<kWidth>::kStep + channel, source, present);
  }
}

template <typename Thread>
SPARSE_TRANSFORMER_DEVICE void load_numbers(Thread& thread, float* into, const Matrix<float>& from,
                                            int first, int rows) {
  for (int i = thread.index(); i < rows; i += thread.count()) {
    const bool present = first + i < from.rows;
    thread.template copy_async<4>(into + i, from.data + (present ? (first + i) * from.step : 0),
                                  present);
  }
}

/// Accumulators of a warp: 16 rows, kTiles · 8 columns. This thread has the elements [t][e] of rows
/// row(e) and columns 8·t + column(e) (PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating
/// point type", C and D: row groupID + 8·(e / 2), column 2·threadID_in_group + e % 2).
template <int kTiles>
struct Sums {
  float at[kTiles][4] = {};
};

SPARSE_TRANSFORMER_DEVICE int element_row(int lane, int e) { return lane / 4 + e / 2 * 8; }
SPARSE_TRANSFORMER_DEVICE int element_column(int lane, int e) { return lane % 4 * 2 + e % 2; }

/// sums += a·bᵀ, of a [16, kWidth] and b [kTiles · 8, kWidth] in shared memory.
template <HalfType kType, int kWidth, int kTiles, typename Thread>
SPARSE_TRANSFORMER_DEVICE void add_product_by_rows(Thread& thread, const std::uint16_t* a,
                                                   const std::uint16_t* b, Sums<kTiles>& sums) {
  constexpr int kStep = Tile<kWidth>::kStep;
  const int lane = thread.lane();
  const std::uint16_t* a_row = a + lane % 16 * kStep + lane / 16 * 8;
  const std::uint16_t* b_row = b + (lane / 16 * 8 + lane % 8) * kStep + lane / 8 % 2 * 8;
  SPARSE_TRANSFORMER_UNROLL
  for (int k = 0; k < kWidth; k += 16) {
    std::uint32_t of_a[4];
    thread.load_matrices(a_row + k, of_a);
    SPARSE_TRANSFORMER_UNROLL
    for (int t = 0; t < kTiles; t += 2) {
      std::uint32_t of_b[4];  // two halves of k for each of two tiles
      thread.load_matrices(b_row + t * 8 * kStep + k, of_b);
      thread.template multiply_add<kType>(sums.at[t], of_a, of_b[0], of_b[1]);
      thread.template multiply_add<kType>(sums.at[t + 1], of_a, of_b[2], of_b[3]);
    }
  }
}

/// sums += p·b, of p [16, kTiles · 8] in registers and b [kTiles · 8, kWidth] in shared memory.
template <HalfType kType, int kWidth, int kTiles, typename Thread>
SPARSE_TRANSFORMER_DEVICE void add_product(Thread& thread, const Sums<kTiles>& p,
                                           const std::uint16_t* b, Sums<kWidth / 8>& sums) {
  constexpr int kStep = Tile<kWidth>::kStep;
  const int lane = thread.lane();
  const std::uint16_t* b_row = b + lane % 16 * kStep + lane / 16 * 8;
  SPARSE_TRANSFORMER_UNROLL
  for (int t = 0; t < kTiles; t += 2) {
    // The accumulators of two neighbouring tiles are the fragment A of 16 columns.
    const std::uint32_t of_p[4] = {thread.template pack<kType>(p.at[t][0], p.at[t][1]),
                                   thread.template pack<kType>(p.at[t][2], p.at[t][3]),
                                   thread.template pack<kType>(p.at[t + 1][0], p.at[t + 1][1]),
                                   thread.template pack<kType>(p.at[t + 1][2], p.at[t + 1][3])};
    SPARSE_TRANSFORMER_UNROLL
    for (int w = 0; w < kWidth / 8; w += 2) {
      std::uint32_t of_b[4];
      thread.load_matrices_transposed(b_row + t * 8 * kStep + w * 8, of_b);
      thread.template multiply_add<kType>(sums.at[w], of_p, of_b[0], of_b[1]);
      thread.template multiply_add<kType>(sums.at[w + 1], of_p, of_b[2], of_b[3]);
    }
  }
}

/// Calls compute(stage, i) for i = begin, begin + rows, … with rows i … of the other side in
/// shared memory, the next ones already on their way into the other of two stages.
template <typename Thread, typename Load, typename Compute>
SPARSE_TRANSFORMER_DEVICE void pipeline(Thread& thread, Range range, int rows, const Load& load,
                                        const Compute& compute) {
  if (range.begin < range.end) load(0, range.begin);
  thread.commit_copies();
  int stage = 0;
  for (int i = range.begin; i < range.end; i += rows) {
    if (i + rows < range.end) load(1 - stage, i + rows);
    thread.commit_copies();
    thread.template wait_for_copies<1>();
    thread.synchronize();
    compute(stage, i);
    thread.synchronize();
    stage = 1 - stage;
  }
  thread.template wait_for_copies<0>();
}

/// Rows of keys that a tile of queries sees, and the other way round.
SPARSE_TRANSFORMER_DEVICE Range seen_keys(const BandGeometry& band, int query, int queries,
                                          int keys) {
  return {larger(0, query - band.high), smaller(keys, query + queries - band.low)};
}
SPARSE_TRANSFORMER_DEVICE Range seeing_queries(const BandGeometry& band, int key, int keys,
                                               int queries) {
  return {larger(0, key + band.low), smaller(queries, key + keys + band.high)};
}

/// What of a rectangle of queries and keys is in the band.
struct Cut {
  const BandGeometry& band;
  int query, queries, key, keys;

  SPARSE_TRANSFORMER_DEVICE bool is_empty() const {
    return query + queries - 1 - key < band.low || query - (key + keys - 1) > band.high;
  }
  SPARSE_TRANSFORMER_DEVICE bool is_whole() const {
    return query - (key + keys - 1) >= band.low && query + queries - 1 - key <= band.high;
  }
  SPARSE_TRANSFORMER_DEVICE bool has(int i, int j) const {
    const int difference = query + i - key - j;
    return difference >= band.low && difference <= band.high;
  }
};

/// The sum or the maximum over the four threads that share a row of accumulators.
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE float row_sum(Thread& thread, float x) {
  x += thread.exchange(x, 1);
  return x + thread.exchange(x, 2);
}
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE float row_largest(Thread& thread, float x) {
  x = larger(x, thread.exchange(x, 1));
  return larger(x, thread.exchange(x, 2));
}

/// A warp's rows of a half-precision matrix in memory, `width` of the kWidth channels that the
/// kernel has; row i of the warp is row first + i. Memory is read and written 16 bytes a thread, 8
/// neighbouring channels, and then exchanged within a row.
template <HalfType kType, int kWidth>
struct WarpRows {
  const Matrix<std::uint16_t>& matrix;
  int first, width;

  /// Calls update(t, r, low, high), which changes two numbers, for the elements [t][2·r] and
  /// [t][2·r
  /// + 1] of accumulators; they are 0 before where `reads` is not.
  template <typename Thread, typename Update>
  SPARSE_TRANSFORMER_DEVICE void change(Thread& thread, bool reads, const Update& update) const {
    SPARSE_TRANSFORMER_UNROLL
    for (int r = 0; r < 2; ++r) {
      const int row = first + element_row(thread.lane(), 2 * r);
      SPARSE_TRANSFORMER_UNROLL
      for (int t = 0; t < kWidth / 8; t += 4) {
        const int channel = 8 * (t + thread.lane() % 4);
        const bool present = row < matrix.rows && channel < width;
        std::uint16_t* place = matrix.data + (present ? row * matrix.step + channel : 0);
        std::uint32_t pairs[4] = {};
        if (reads) {
          if (present) thread.read(place, pairs);
          transpose(thread, pairs);
        }
        SPARSE_TRANSFORMER_UNROLL
        for (int i = 0; i < 4; ++i) {
          float low, high;
          thread.template unpack<kType>(pairs[i], low, high);
          update(t + i, r, low, high);
          pairs[i] = thread.template pack<kType>(low, high);
        }
        transpose(thread, pairs);
        if (present) thread.write(place, pairs);
      }
    }
  }
};

/// Numbers of a tile of either width.
template <int kQuery, int kValue>
SPARSE_TRANSFORMER_ANYWHERE constexpr int shared_numbers(int rows) {
  return Tile<kQuery>::size(rows) + Tile<kValue>::size(rows);
}
}  // namespace sparse_transformer::union_kernels
