// The gradient of attention over one band on CUDA (band_tiles.cuh), from the `out` and `lse` of the
// union of all bands: p = exp(s - lse) is then the softmax over the union (paper eq. 3),
//
//     dv_j = Σ_i p_ij·do_i,   ds_ij = p_ij·(do_i·v_j - delta_i),   delta_i = do_i·out_i,
//     dq_i = scale·Σ_j ds_ij·k_j,   dk_j = scale·Σ_i ds_ij·q_i.
//
// One kernel owns a tile of queries and sums over its keys, another a tile of keys and sums over
// its queries: scores are computed twice, and nothing is added by two blocks.
#pragma once

#include "attention/kernels/band_tiles.cuh"

namespace sparse_transformer::union_kernels {

constexpr int kBackwardRows = 32;  // of the other side, that a tile meets at a time

/// Bytes of shared memory that a block of `warps` works in, in either kernel.
template <int kQuery, int kValue>
constexpr int backward_bytes(int warps) {
  constexpr int kRows = kBackwardRows;
  return 2 * (shared_numbers<kQuery, kValue>(warps * kWarpRows) +
              2 * shared_numbers<kQuery, kValue>(kRows)) +
         2 * 2 * kRows * static_cast<int>(sizeof(float));
}

/// A tile of one side and two stages of the other, in a block's shared memory. A row's first part
/// is of the query's width, its second of the value's: query and d_out, or key and value.
template <int kQuery, int kValue>
class BackwardMemory {
 public:
  static constexpr int kRows = kBackwardRows;

  SPARSE_TRANSFORMER_DEVICE BackwardMemory(std::uint16_t* shared, int tile_rows)
      : first_(shared),
        second_(shared + Tile<kQuery>::size(tile_rows)),
        stages_(second_ + Tile<kValue>::size(tile_rows)) {}

  SPARSE_TRANSFORMER_DEVICE std::uint16_t* first() const { return first_; }
  SPARSE_TRANSFORMER_DEVICE std::uint16_t* second() const { return second_; }
  SPARSE_TRANSFORMER_DEVICE std::uint16_t* first(int stage) const {
    return stages_ + stage * shared_numbers<kQuery, kValue>(kRows);
  }
  SPARSE_TRANSFORMER_DEVICE std::uint16_t* second(int stage) const {
    return first(stage) + Tile<kQuery>::size(kRows);
  }
  SPARSE_TRANSFORMER_DEVICE float* lse(int stage) const {
    return reinterpret_cast<float*>(first(2)) + stage * 2 * kRows;
  }
  SPARSE_TRANSFORMER_DEVICE float* delta(int stage) const { return lse(stage) + kRows; }

 private:
  std::uint16_t *first_, *second_, *stages_;
};

/// Writes factor · sums into a warp's rows of a gradient, or adds it to what is there.
template <HalfType kType, int kWidth, typename Thread>
SPARSE_TRANSFORMER_DEVICE void finish_gradient(Thread& thread, const Matrix<std::uint16_t>& into,
                                               int width, int first, bool continues, float factor,
                                               const Sums<kWidth / 8>& sums) {
  const WarpRows<kType, kWidth> rows{into, first, width};
  rows.change(thread, continues, [&](int t, int r, float& low, float& high) {
    low += factor * sums.at[t][2 * r];
    high += factor * sums.at[t][2 * r + 1];
  });
}

constexpr int kDeltaThreads = 16;  // of a query, 8 channels each

/// delta = Σ d_out · out.
template <HalfType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE void sum_delta(Thread& thread, std::int64_t block,
                                         const LayerMemory& memory, int width, std::int64_t rows) {
  const std::int64_t row = (block * thread.count() + thread.index()) / kDeltaThreads;
  const int channel = thread.index() % kDeltaThreads * 8;
  float sum = 0;
  if (row < rows && channel < width) {
    std::uint32_t out[4], d_out[4];
    thread.read(memory.out + row * width + channel, out);
    thread.read(memory.d_out + row * width + channel, d_out);
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < 4; ++i) {
      float a[2], b[2];
      thread.template unpack<kType>(out[i], a[0], a[1]);
      thread.template unpack<kType>(d_out[i], b[0], b[1]);
      sum += a[0] * b[0] + a[1] * b[1];
    }
  }
  SPARSE_TRANSFORMER_UNROLL
  for (int distance = 1; distance < kDeltaThreads; distance *= 2) {
    sum += thread.exchange(sum, distance);
  }
  if (row < rows && channel == 0) memory.delta[row] = sum;
}

/// The queries' part of `d_packed` of a tile of queries.
template <HalfType kType, int kQuery, int kValue, typename Thread>
SPARSE_TRANSFORMER_DEVICE void query_gradient(Thread& thread, const BandCall& call,
                                              std::int64_t block, std::uint16_t* shared) {
  constexpr int kRows = kBackwardRows;
  const BandGeometry& band = call.band;
  const LayerSizes& sizes = call.sizes;
  const int tile_rows = thread.count() / 32 * kWarpRows;
  const int tiles = BandGeometry::divide_up(band.longest_group(), tile_rows);
  const Place place = place_of(call, block, tiles);
  const int first = (tiles - 1 - place.tile) * tile_rows;  // later queries see more keys
  const Side queries(call, place, rows_of(band, place.segment, place.column));
  const Side keys(call, place, key_rows(band, place.segment - band.shift, place.column));
  if (first >= queries.rows.count) return;
  const Range range = seen_keys(band, first, tile_rows, keys.rows.count);
  if (call.continues && range.begin >= range.end) return;

  const BackwardMemory<kQuery, kValue> memory(shared, tile_rows);
  const int warp_row = thread.index() / 32 * kWarpRows;
  float lse[2], row_delta[2];
  SPARSE_TRANSFORMER_UNROLL
  for (int r = 0; r < 2; ++r) {
    const int row = first + warp_row + element_row(thread.lane(), 2 * r);
    const bool present = row < queries.rows.count;
    lse[r] = present ? queries.lse().data[row * queries.lse().step] * kLog2E : 0.0f;
    row_delta[r] = present ? queries.delta().data[row * queries.delta().step] : 0.0f;
  }
  Sums<kQuery / 8> d_query;
  load_rows<kQuery>(thread, memory.first(), queries.query(), sizes.query_width, first, tile_rows);
  load_rows<kValue>(thread, memory.second(), queries.d_out(), sizes.value_width, first, tile_rows);
  pipeline(
      thread, range, kRows,
      [&](int stage, int j) {
        load_rows<kQuery>(thread, memory.first(stage), keys.key(), sizes.query_width, j, kRows);
        load_rows<kValue>(thread, memory.second(stage), keys.value(), sizes.value_width, j, kRows);
      },
      [&](int stage, int j) {
        const Cut cut{band, first + warp_row, kWarpRows, j, kRows};
        if (cut.is_empty()) return;
        Sums<kRows / 8> scores, d_weights;
        add_product_by_rows<kType, kQuery>(thread, memory.first() + warp_row * Tile<kQuery>::kStep,
                                           memory.first(stage), scores);
        add_product_by_rows<kType, kValue>(thread, memory.second() + warp_row * Tile<kValue>::kStep,
                                           memory.second(stage), d_weights);
        SPARSE_TRANSFORMER_UNROLL
        for (int t = 0; t < kRows / 8; ++t) {
          SPARSE_TRANSFORMER_UNROLL
          for (int e = 0; e < 4; ++e) {
            const int i = element_row(thread.lane(), e);
            const int column = 8 * t + element_column(thread.lane(), e);
            const bool seen = cut.has(i, column) && j + column < range.end;
            const float weight =
                seen ? thread.exp2(scores.at[t][e] * (call.scale * kLog2E) - lse[e / 2]) : 0.0f;
            scores.at[t][e] = weight * (d_weights.at[t][e] - row_delta[e / 2]);
          }
        }
        add_product<kType, kQuery>(thread, scores, memory.first(stage), d_query);
      });
  finish_gradient<kType, kQuery>(thread, queries.d_query(), sizes.query_width, first + warp_row,
                                 call.continues, call.scale, d_query);
}

/// The keys' and values' part of `d_packed` of a tile of keys.
template <HalfType kType, int kQuery, int kValue, typename Thread>
SPARSE_TRANSFORMER_DEVICE void key_gradient(Thread& thread, const BandCall& call,
                                            std::int64_t block, std::uint16_t* shared) {
  constexpr int kRows = kBackwardRows;
  const BandGeometry& band = call.band;
  const LayerSizes& sizes = call.sizes;
  const int tile_rows = thread.count() / 32 * kWarpRows;
  const int tiles = BandGeometry::divide_up(band.longest_group(), tile_rows);
  const Place place = place_of(call, block, tiles);
  const int first = place.tile * tile_rows;  // earlier keys are seen by more queries
  const Side positions(call, place, rows_of(band, place.segment, place.column));
  const Side keys(call, place, key_rows(band, place.segment, place.column));
  const Side queries(call, place, rows_of(band, place.segment + band.shift, place.column));
  if (first >= positions.rows.count) return;
  Range range = seeing_queries(band, first, tile_rows, queries.rows.count);
  if (first >= keys.rows.count) range.end = range.begin;
  if (call.continues && range.begin >= range.end) return;

  const BackwardMemory<kQuery, kValue> memory(shared, tile_rows);
  const int warp_row = thread.index() / 32 * kWarpRows;
  Sums<kQuery / 8> d_key;
  Sums<kValue / 8> d_value;
  load_rows<kQuery>(thread, memory.first(), keys.key(), sizes.query_width, first, tile_rows);
  load_rows<kValue>(thread, memory.second(), keys.value(), sizes.value_width, first, tile_rows);
  pipeline(
      thread, range, kRows,
      [&](int stage, int i) {
        load_rows<kQuery>(thread, memory.first(stage), queries.query(), sizes.query_width, i,
                          kRows);
        load_rows<kValue>(thread, memory.second(stage), queries.d_out(), sizes.value_width, i,
                          kRows);
        load_numbers(thread, memory.lse(stage), queries.lse(), i, kRows);
        load_numbers(thread, memory.delta(stage), queries.delta(), i, kRows);
      },
      [&](int stage, int i) {
        const Cut cut{band, i, kRows, first + warp_row, kWarpRows};
        if (cut.is_empty()) return;
        Sums<kRows / 8> weights, d_scores;  // a row is a key, a column a query
        add_product_by_rows<kType, kQuery>(thread, memory.first() + warp_row * Tile<kQuery>::kStep,
                                           memory.first(stage), weights);
        add_product_by_rows<kType, kValue>(thread, memory.second() + warp_row * Tile<kValue>::kStep,
                                           memory.second(stage), d_scores);
        SPARSE_TRANSFORMER_UNROLL
        for (int t = 0; t < kRows / 8; ++t) {
          SPARSE_TRANSFORMER_UNROLL
          for (int e = 0; e < 4; ++e) {
            const int j = element_row(thread.lane(), e);
            const int column = 8 * t + element_column(thread.lane(), e);
            const bool seen = cut.has(column, j) && i + column < range.end &&
                              first + warp_row + j < keys.rows.count;
            const float lse = memory.lse(stage)[column] * kLog2E;
            const float weight =
                seen ? thread.exp2(weights.at[t][e] * (call.scale * kLog2E) - lse) : 0.0f;
            weights.at[t][e] = weight;
            d_scores.at[t][e] = weight * (d_scores.at[t][e] - memory.delta(stage)[column]);
          }
        }
        add_product<kType, kValue>(thread, weights, memory.second(stage), d_value);
        add_product<kType, kQuery>(thread, d_scores, memory.first(stage), d_key);
      });
  finish_gradient<kType, kQuery>(thread, positions.d_key(), sizes.query_width, first + warp_row,
                                 call.continues, call.scale, d_key);
  finish_gradient<kType, kValue>(thread, positions.d_value(), sizes.value_width, first + warp_row,
                                 call.continues, 1.0f, d_value);
}

/// Two blocks a tile, one after the other so that they share what they read: its queries, its keys.
template <HalfType kType, int kQuery, int kValue, typename Thread>
SPARSE_TRANSFORMER_DEVICE void backward(Thread& thread, const BandCall& call, std::int64_t block,
                                        std::uint16_t* shared) {
  if (block % 2 == 0) {
    query_gradient<kType, kQuery, kValue>(thread, call, block / 2, shared);
  } else {
    key_gradient<kType, kQuery, kValue>(thread, call, block / 2, shared);
  }
}

}  // namespace sparse_transformer::union_kernels
