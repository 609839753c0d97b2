// Attention over one band on CUDA, continuing the union of the bands before it (band_tiles.cuh).
#pragma once

#include "attention/kernels/band_tiles.cuh"

namespace sparse_transformer::union_kernels {

/// Keys that a tile of queries meets at a time: as many as registers hold the scores of.
template <int kQuery, int kValue>
constexpr int kForwardRows = kQuery + kValue > 192 ? 32 : 64;

/// Softmax of a warp's rows over the keys so far; a thread has the two rows of its accumulators,
/// element_row(0) and element_row(2). Exponents are of 2.
template <HalfType kType, int kValue>
struct RunningSoftmax {
  float largest[2] = {kMinusInfinity, kMinusInfinity};
  float total[2] = {};  // this thread's columns
  Sums<kValue / 8> weighted;

  /// `scores` become weights relative to the largest.
  template <int kTiles, typename Thread>
  SPARSE_TRANSFORMER_DEVICE void add(Thread& thread, Sums<kTiles>& scores,
                                     const std::uint16_t* values) {
    SPARSE_TRANSFORMER_UNROLL
    for (int r = 0; r < 2; ++r) {
      float found = largest[r];
      SPARSE_TRANSFORMER_UNROLL
      for (int t = 0; t < kTiles; ++t) {
        found = larger(found, larger(scores.at[t][2 * r], scores.at[t][2 * r + 1]));
      }
      found = row_largest(thread, found);
      const float base = found == kMinusInfinity ? 0.0f : found;
      const float shrink = thread.exp2(largest[r] - base);
      largest[r] = found;
      total[r] *= shrink;
      SPARSE_TRANSFORMER_UNROLL
      for (int t = 0; t < kTiles; ++t) {
        for (int e = 2 * r; e < 2 * r + 2; ++e) {
          scores.at[t][e] = thread.exp2(scores.at[t][e] - base);
          total[r] += scores.at[t][e];
        }
      }
      SPARSE_TRANSFORMER_UNROLL
      for (int w = 0; w < kValue / 8; ++w) {
        weighted.at[w][2 * r] *= shrink;
        weighted.at[w][2 * r + 1] *= shrink;
      }
    }
    add_product<kType, kValue>(thread, scores, values, weighted);
  }
};

/// What two parts of a softmax weigh in their union.
struct Merge {
  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE Merge(Thread& thread, float old_log, float new_log) {
    const float largest = larger(old_log, new_log);
    const float base = largest == kMinusInfinity ? 0.0f : largest;
    const float a = thread.exp2(old_log - base);
    const float b = thread.exp2(new_log - base);
    const float inverse = a + b == 0.0f ? 0.0f : 1.0f / (a + b);
    old_part = a * inverse;
    new_part = b * inverse;
    merged = base + thread.log2(a + b);
  }
  float old_part, new_part;
  float merged;
};

/// Writes a warp's rows of `out` and `lse`, joined with what is there where the call continues.
template <HalfType kType, int kValue, typename Thread>
SPARSE_TRANSFORMER_DEVICE void finish_rows(Thread& thread, const BandCall& call, const Side& side,
                                           int first,
                                           const RunningSoftmax<kType, kValue>& softmax) {
  const Matrix<float> lse = side.lse();
  float of_old[2], of_new[2];
  SPARSE_TRANSFORMER_UNROLL
  for (int r = 0; r < 2; ++r) {
    const int row = first + element_row(thread.lane(), 2 * r);
    const bool present = row < lse.rows;
    float* row_lse = lse.data + (present ? row * lse.step : 0);
    // Read before the threads of a row meet, as one of them writes it afterwards.
    const float old_log =
        call.continues && present ? thread.read(row_lse) * kLog2E : kMinusInfinity;
    const float total = row_sum(thread, softmax.total[r]);
    const Merge merge(thread, old_log, softmax.largest[r] + thread.log2(total));
    of_old[r] = merge.old_part;
    of_new[r] = total == 0.0f ? 0.0f : merge.new_part / total;
    if (present && thread.lane() % 4 == 0) *row_lse = merge.merged / kLog2E;
  }
  const Matrix<std::uint16_t> out = side.out();
  const WarpRows<kType, kValue> rows{out, first, call.sizes.value_width};
  rows.change(thread, call.continues, [&](int t, int r, float& low, float& high) {
    low = of_old[r] * low + of_new[r] * softmax.weighted.at[t][2 * r];
    high = of_old[r] * high + of_new[r] * softmax.weighted.at[t][2 * r + 1];
  });
}

/// Bytes of shared memory that a block of `warps` works in.
template <int kQuery, int kValue>
constexpr int forward_bytes(int warps) {
  return 2 * (Tile<kQuery>::size(warps * kWarpRows) +
              2 * shared_numbers<kQuery, kValue>(kForwardRows<kQuery, kValue>));
}

/// `out` and `lse` of the tile of queries of block `block` of a band.
template <HalfType kType, int kQuery, int kValue, typename Thread>
SPARSE_TRANSFORMER_DEVICE void forward(Thread& thread, const BandCall& call, std::int64_t block,
                                       std::uint16_t* shared) {
  constexpr int kRows = kForwardRows<kQuery, kValue>;
  const BandGeometry& band = call.band;
  const int tile_rows = thread.count() / 32 * kWarpRows;
  const int tiles = BandGeometry::divide_up(band.longest_group(), tile_rows);
  const Place place = place_of(call, block, tiles);
  // Later queries see more keys: they begin first.
  const int first = (tiles - 1 - place.tile) * tile_rows;
  const Side queries(call, place, rows_of(band, place.segment, place.column));
  const Side keys(call, place, key_rows(band, place.segment - band.shift, place.column));
  if (first >= queries.rows.count) return;
  const Range range = seen_keys(band, first, tile_rows, keys.rows.count);
  if (call.continues && range.begin >= range.end) return;

  std::uint16_t* query_tile = shared;
  std::uint16_t* stages = shared + Tile<kQuery>::size(tile_rows);
  const auto key_tile = [&](int stage) {
    return stages + stage * shared_numbers<kQuery, kValue>(kRows);
  };
  const auto value_tile = [&](int stage) { return key_tile(stage) + Tile<kQuery>::size(kRows); };
  const int warp_row = thread.index() / 32 * kWarpRows;
  const float scale = call.scale * kLog2E;
  RunningSoftmax<kType, kValue> softmax;
  load_rows<kQuery>(thread, query_tile, queries.query(), call.sizes.query_width, first, tile_rows);
  pipeline(
      thread, range, kRows,
      [&](int stage, int j) {
        load_rows<kQuery>(thread, key_tile(stage), keys.key(), call.sizes.query_width, j, kRows);
        load_rows<kValue>(thread, value_tile(stage), keys.value(), call.sizes.value_width, j,
                          kRows);
      },
      [&](int stage, int j) {
        const Cut cut{band, first + warp_row, kWarpRows, j, kRows};
        if (cut.is_empty()) return;
        Sums<kRows / 8> scores;
        add_product_by_rows<kType, kQuery>(thread, query_tile + warp_row * Tile<kQuery>::kStep,
                                           key_tile(stage), scores);
        const bool whole = cut.is_whole() && j + kRows <= range.end;
        SPARSE_TRANSFORMER_UNROLL
        for (int t = 0; t < kRows / 8; ++t) {
          SPARSE_TRANSFORMER_UNROLL
          for (int e = 0; e < 4; ++e) {
            const int i = element_row(thread.lane(), e);
            const int column = 8 * t + element_column(thread.lane(), e);
            const bool seen = whole || (cut.has(i, column) && j + column < range.end);
            scores.at[t][e] = seen ? scores.at[t][e] * scale : kMinusInfinity;
          }
        }
        softmax.add(thread, scores, value_tile(stage));
      });
  finish_rows(thread, call, queries, first + warp_row, softmax);
}

}  // namespace sparse_transformer::union_kernels
