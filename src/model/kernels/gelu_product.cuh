// Half-precision products of matrices on tensor cores that end in the non-linearity of the
// feed-forward part or in its gradient (gelu_product_launch.h), so that what lies between is not
// written and read once more.
//
// A block of threads owns a tile of the result, a warp a square of it. Tiles of both factors come
// into shared memory in kStages stages, all but one of them on their way while one is multiplied.
// Sums over rows have one order: results repeat bit for bit. The code is a template of `Thread`,
// what a thread of the device can do: CudaThread (runtime/cuda/thread.cuh), or the tests' emulated
// one.
#pragma once

#include <cstdint>

#include "model/kernels/gelu_product_launch.h"
#include "model/kernels/rows.cuh"
#include "runtime/cuda/tiles.cuh"

namespace sparse_transformer::gelu_product {

constexpr int kThreads = 128;
constexpr int kTileRows = 128, kTileColumns = 128, kTileDepth = 32;
constexpr int kWarpRows = 64, kWarpColumns = 64;
constexpr int kStages = 4;
static_assert(kWarpRows == kProductStripeRows);
static_assert(kTileRows / kWarpRows * (kTileColumns / kWarpColumns) * 32 == kThreads);

/// How b lies in memory: its rows are columns of the result, or it is as it is multiplied.
enum class Factor { kByColumns, kByRows };

/// Numbers of a stage: a tile of a, then one of b.
constexpr int kFactorA = tiles::Tile<kTileDepth>::size(kTileRows);
template <Factor kFactor>
constexpr int kFactorB = kFactor == Factor::kByColumns
                             ? tiles::Tile<kTileDepth>::size(kTileColumns)
                             : tiles::Tile<kTileColumns>::size(kTileDepth);
template <Factor kFactor>
constexpr int kSharedBytes = 2 * kStages*(kFactorA + kFactorB<kFactor>);

SPARSE_TRANSFORMER_ANYWHERE std::int64_t divide_up(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}
SPARSE_TRANSFORMER_ANYWHERE std::int64_t blocks(const GeluProduct& work) {
  return divide_up(work.rows, kTileRows) * divide_up(work.columns, kTileColumns);
}

/// The first row and column of something in the result.
struct Place {
  std::int64_t row, column;
};

/// Where a block's tile begins. Blocks that run at once have few rows of tiles and few columns of
/// them, so that they read the same parts of a and b, from the second level of cache.
SPARSE_TRANSFORMER_DEVICE Place tile_of(const GeluProduct& work, std::int64_t block) {
  constexpr std::int64_t kTogether = 8;
  const std::int64_t down = divide_up(work.rows, kTileRows);
  const std::int64_t across = divide_up(work.columns, kTileColumns);
  const std::int64_t first = block / (kTogether * across) * kTogether;
  const std::int64_t rows = down - first < kTogether ? down - first : kTogether;
  const std::int64_t within = block % (kTogether * across);
  return {(first + within % rows) * kTileRows, within / rows * kTileColumns};
}

/// A matrix in memory without gaps.
struct Matrix {
  const std::uint16_t* data;
  std::int64_t rows, columns;
};

/// A tile [kRows, kColumns] of a matrix into shared memory; what the matrix does not have becomes
/// 0.
template <int kRows, int kColumns, typename Thread>
SPARSE_TRANSFORMER_DEVICE void load_tile(Thread& thread, const Matrix& from, std::int64_t row,
                                         std::int64_t column, std::uint16_t* tile) {
  constexpr int kChunk = 8;  // numbers in 16 bytes
  constexpr int kChunks = kColumns / kChunk;
  static_assert(kRows * kChunks % kThreads == 0);
  SPARSE_TRANSFORMER_UNROLL
  for (int first = 0; first < kRows * kChunks; first += kThreads) {
    const int r = (first + thread.index()) / kChunks;
    const int c = (first + thread.index()) % kChunks * kChunk;
    const bool present = row + r < from.rows && column + c < from.columns;
    const std::int64_t place = present ? (row + r) * from.columns + column + c : 0;
    thread.template copy_async<16>(tile + r * tiles::Tile<kColumns>::kStep + c, from.data + place,
                                   present);
  }
}

/// A warp's accumulators: [row / 16][column / 8], of each this thread's four
/// (runtime/cuda/tiles.cuh).
struct Sums {
  float at[kWarpRows / 16][kWarpColumns / 8][4] = {};
};

/// Where a warp's part of its block's tile begins.
struct Corner {
  int row, column;
};

template <typename Thread>
SPARSE_TRANSFORMER_DEVICE Corner warp_of(Thread& thread) {
  constexpr int kAcross = kTileColumns / kWarpColumns;
  const int warp = thread.index() / 32;
  return {warp / kAcross * kWarpRows, warp % kAcross * kWarpColumns};
}

/// sums += a warp's rows of a stage's a · its columns of b.
template <HalfType kType, Factor kFactor, typename Thread>
SPARSE_TRANSFORMER_DEVICE void multiply(Thread& thread, const std::uint16_t* a,
                                        const std::uint16_t* b, const Corner& warp, Sums& sums) {
  constexpr int kStepA = tiles::Tile<kTileDepth>::kStep;
  constexpr int kStepB = tiles::Tile<kTileColumns>::kStep;  // of b by rows
  const int lane = thread.lane();
  const std::uint16_t* a_row = a + (warp.row + lane % 16) * kStepA + lane / 16 * 8;
  SPARSE_TRANSFORMER_UNROLL
  for (int k = 0; k < kTileDepth; k += 16) {
    std::uint32_t of_a[kWarpRows / 16][4];
    SPARSE_TRANSFORMER_UNROLL
    for (int m = 0; m < kWarpRows / 16; ++m) {
      thread.load_matrices(a_row + m * 16 * kStepA + k, of_a[m]);
    }
    SPARSE_TRANSFORMER_UNROLL
    for (int n = 0; n < kWarpColumns / 8; n += 2) {
      std::uint32_t of_b[4];  // two halves of k for each of two tiles
      const int column = warp.column + 8 * n;
      if constexpr (kFactor == Factor::kByColumns) {
        thread.load_matrices(
            b + (column + lane / 16 * 8 + lane % 8) * kStepA + k + lane / 8 % 2 * 8, of_b);
      } else {
        thread.load_matrices_transposed(b + (k + lane % 16) * kStepB + column + lane / 16 * 8,
                                        of_b);
      }
      SPARSE_TRANSFORMER_UNROLL
      for (int m = 0; m < kWarpRows / 16; ++m) {
        thread.template multiply_add<kType>(sums.at[m][n], of_a[m], of_b[0], of_b[1]);
        thread.template multiply_add<kType>(sums.at[m][n + 1], of_a[m], of_b[2], of_b[3]);
      }
    }
  }
}

/// A warp's part of the tile of a·b that begins at `tile`.
template <HalfType kType, Factor kFactor, typename Thread>
SPARSE_TRANSFORMER_DEVICE void sum_products(Thread& thread, const GeluProduct& work,
                                            const Place& tile, std::uint16_t* shared, Sums& sums) {
  const auto stage_of = [shared](std::int64_t i) {
    return shared + static_cast<int>(i % kStages) * (kFactorA + kFactorB<kFactor>);
  };
  const std::int64_t count = divide_up(work.depth, kTileDepth);
  const auto load = [&](std::int64_t i) {
    if (i < count) {
      std::uint16_t* const a = stage_of(i);
      std::uint16_t* const b = a + kFactorA;
      const std::int64_t k = i * kTileDepth;
      load_tile<kTileRows, kTileDepth>(thread, {work.a, work.rows, work.depth}, tile.row, k, a);
      if constexpr (kFactor == Factor::kByColumns) {
        load_tile<kTileColumns, kTileDepth>(thread, {work.b, work.columns, work.depth}, tile.column,
                                            k, b);
      } else {
        load_tile<kTileDepth, kTileColumns>(thread, {work.b, work.depth, work.columns}, k,
                                            tile.column, b);
      }
    }
    thread.commit_copies();
  };
  const Corner warp = warp_of(thread);
  for (int i = 0; i < kStages - 1; ++i) load(i);
  for (std::int64_t i = 0; i < count; ++i) {
    thread.template wait_for_copies<kStages - 2>();
    // All have the stage now, and none reads the one before any more, which is loaded next.
    thread.synchronize();
    load(i + kStages - 1);
    const std::uint16_t* const a = stage_of(i);
    multiply<kType, kFactor>(thread, a, a + kFactorA, warp, sums);
  }
}

constexpr int kEight = 8;  // neighbouring columns that a thread moves at once, 16 bytes
constexpr int kEights = kWarpRows / 8;     // … below each other that it has
constexpr int kParts = kWarpColumns / 32;  // … beside each other

/// Rounded, the i-th of this thread's eights of numbers in a part of a warp's sums.
template <HalfType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE void take_eight(Thread& thread, const Sums& sums, int part, int i,
                                          std::uint32_t (&pairs)[4]) {
  SPARSE_TRANSFORMER_UNROLL
  for (int t = 0; t < 4; ++t) {
    const float(&at)[4] = sums.at[i / 2][4 * part + t];
    pairs[t] = thread.template pack<kType>(at[i % 2 * 2], at[i % 2 * 2 + 1]);
  }
  tiles::transpose(thread, pairs);
}

/// Where those eights lie in the result: below each other, 8 rows apart.
struct Eights {
  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE Eights(Thread& thread, const GeluProduct& work, const Place& tile,
                                   int part)
      : rows(work.rows), columns(work.columns) {
    const Corner warp = warp_of(thread);
    row = tile.row + warp.row + thread.lane() / 4;
    column = tile.column + warp.column + 32 * part + thread.lane() % 4 * kEight;
  }
  SPARSE_TRANSFORMER_DEVICE bool has(int i) const { return row + 8 * i < rows && column < columns; }
  SPARSE_TRANSFORMER_DEVICE std::int64_t at(int i) const {
    return (row + 8 * i) * columns + column;
  }

  std::int64_t rows, columns, row, column;
};

template <HalfType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE void unpack_eight(Thread& thread, const std::uint32_t (&pairs)[4],
                                            float (&x)[kEight]) {
  SPARSE_TRANSFORMER_UNROLL
  for (int i = 0; i < 4; ++i) thread.template unpack<kType>(pairs[i], x[2 * i], x[2 * i + 1]);
}

template <HalfType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE void write_eight(Thread& thread, const float (&x)[kEight],
                                           std::uint16_t* to) {
  std::uint32_t pairs[4];
  SPARSE_TRANSFORMER_UNROLL
  for (int i = 0; i < 4; ++i) pairs[i] = thread.template pack<kType>(x[2 * i], x[2 * i + 1]);
  thread.write(to, pairs);
}

/// The bias of eight columns; left as it is beyond the last.
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE void load_bias(Thread& thread, const GeluProduct& work,
                                         std::int64_t column, float (&bias)[kEight]) {
  if (column < work.columns) row_kernels::load<kEight>(thread, work.bias + column, bias);
}

/// The kernel of launch_gelu_product, a block.
template <HalfType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE void forward(Thread& thread, std::int64_t block, const GeluProduct& work,
                                       std::uint16_t* shared) {
  const Place tile = tile_of(work, block);
  Sums sums;
  sum_products<kType, Factor::kByColumns>(thread, work, tile, shared, sums);
  SPARSE_TRANSFORMER_UNROLL
  for (int part = 0; part < kParts; ++part) {
    const Eights eights(thread, work, tile, part);
    float bias[kEight] = {};
    load_bias(thread, work, eights.column, bias);
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kEights; ++i) {
      std::uint32_t pre[4];
      take_eight<kType>(thread, sums, part, i, pre);
      if (!eights.has(i)) continue;
      thread.write(work.pre + eights.at(i), pre);
      float x[kEight];
      unpack_eight<kType>(thread, pre, x);
      SPARSE_TRANSFORMER_UNROLL
      for (int j = 0; j < kEight; ++j) x[j] = row_kernels::gelu_of(thread, x[j] + bias[j]);
      write_eight<kType>(thread, x, work.out + eights.at(i));
    }
  }
}

/// Sums of a warp's rows, from those of this thread's: a stripe's.
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE void write_stripe(Thread& thread, const Eights& eights,
                                            float (&total)[kEight], float* sums) {
  SPARSE_TRANSFORMER_UNROLL
  for (int j = 0; j < kEight; ++j) {
    SPARSE_TRANSFORMER_UNROLL
    for (int bits = 4; bits < 32; bits *= 2) total[j] += thread.exchange(total[j], bits);
  }
  if (thread.lane() < 4 && eights.has(0)) {
    row_kernels::store(thread, total,
                       sums + eights.row / kProductStripeRows * eights.columns + eights.column);
  }
}

/// The kernel of launch_gelu_product_gradient, a block.
template <HalfType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE void gradient(Thread& thread, std::int64_t block, const GeluProduct& work,
                                        std::uint16_t* shared, float* sums_over_rows) {
  const Place tile = tile_of(work, block);
  Sums sums;
  sum_products<kType, Factor::kByRows>(thread, work, tile, shared, sums);
  SPARSE_TRANSFORMER_UNROLL
  for (int part = 0; part < kParts; ++part) {
    const Eights eights(thread, work, tile, part);
    float bias[kEight] = {}, total[kEight] = {};
    load_bias(thread, work, eights.column, bias);
    std::uint32_t pre[kEights][4] = {};  // all are on their way before the first is needed
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kEights; ++i) {
      if (eights.has(i)) thread.load(work.pre + eights.at(i), pre[i]);
    }
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kEights; ++i) {
      std::uint32_t pairs[4];
      take_eight<kType>(thread, sums, part, i, pairs);
      if (!eights.has(i)) continue;
      float x[kEight], d[kEight];
      unpack_eight<kType>(thread, pre[i], x);
      unpack_eight<kType>(thread, pairs, d);
      SPARSE_TRANSFORMER_UNROLL
      for (int j = 0; j < kEight; ++j) {
        d[j] *= row_kernels::gelu_slope(thread, x[j] + bias[j]);
        total[j] += d[j];
      }
      write_eight<kType>(thread, d, work.out + eights.at(i));
    }
    write_stripe(thread, eights, total, sums_over_rows);
  }
}

}  // namespace sparse_transformer::gelu_product
