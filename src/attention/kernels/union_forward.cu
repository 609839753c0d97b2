// Attention over one piece of a union, accumulated into that of the pieces before it
// (union_attention.h): FlashAttention's online softmax (Dao et al. 2022, arXiv:2205.14135) over the
// tiles of keys that a tile of queries sees.
#include "attention/kernels/union_tiles.cuh"

namespace sparse_transformer {
namespace {

using namespace union_kernels;

/// Keys that a tile of queries meets at a time: as many as registers hold the scores of.
template <int kQuery, int kValue>
constexpr int kKeyRows = kQuery + kValue > 192 ? 32 : 64;

/// Blocks that share a multiprocessor's registers: as many as there can be while the accumulators
/// fit, all but a few.
template <int kQuery, int kValue, int kWarps>
constexpr int kResidentBlocks = (kQuery + kValue > 128 ? 3 : 4) * 4 / kWarps;

/// Softmax of a warp's rows over the keys so far. A lane has the two rows of its accumulators.
/// Scores are to the base of 2.
template <HalfType kType, int kValue>
struct OnlineSoftmax {
  float max[2] = {kMinusInfinity, kMinusInfinity};
  float sum[2] = {};  // this lane's columns
  Accumulators<kValue / 8> weighted;

  /// `scores` become weights relative to the maximum.
  template <int kTiles>
  __device__ __forceinline__ void add(Accumulators<kTiles>& scores, const std::uint16_t* values) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float new_max = max[r];
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        new_max = fmaxf(new_max, fmaxf(scores.at[t][2 * r], scores.at[t][2 * r + 1]));
      }
      new_max = quad_max(new_max);
      const float base = new_max == kMinusInfinity ? 0.0f : new_max;
      const float shrink = fast_exp2(max[r] - base);
      max[r] = new_max;
      sum[r] *= shrink;
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
#pragma unroll
        for (int e = 2 * r; e < 2 * r + 2; ++e) {
          scores.at[t][e] = fast_exp2(scores.at[t][e] - base);
          sum[r] += scores.at[t][e];
        }
      }
#pragma unroll
      for (int w = 0; w < kValue / 8; ++w) {
        weighted.at[w][2 * r] *= shrink;
        weighted.at[w][2 * r + 1] *= shrink;
      }
    }
    add_product<kType, kValue>(scores, values, weighted);
  }
};

/// What two parts of a softmax, given by their log-sum-exp, weigh in their union.
struct Merge {
  __device__ __forceinline__ Merge(float old_lse, float new_lse) {
    const float max = fmaxf(old_lse, new_lse);
    const float base = max == kMinusInfinity ? 0.0f : max;
    const float a = fast_exp2(old_lse - base), b = fast_exp2(new_lse - base);
    const float inverse = a + b == 0.0f ? 0.0f : 1.0f / (a + b);
    old_weight = a * inverse;
    new_weight = b * inverse;
    lse = base + log2f(a + b);
  }
  float old_weight, new_weight;
  float lse;
};

/// Writes a warp's rows of `out` and `lse`, merged with what is there where the piece accumulates.
template <HalfType kType, int kValue>
__device__ __forceinline__ void finish_rows(const LayerRows& queries, int width, int first,
                                            bool accumulates,
                                            const OnlineSoftmax<kType, kValue>& softmax) {
  const HeadRows<float> lse = queries.lse();
  float old_weight[2], new_weight[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = first + mma_row(lane_index(), 2 * r);
    // One lane of the four that share a row reads and writes its lse.
    const bool owns = row < lse.count() && lane_index() % 4 == 0;
    float* const row_lse = owns ? lse.row(row) : nullptr;
    const float old_lse = quad_max(accumulates && owns ? __ldcg(row_lse) * kLog2E : kMinusInfinity);
    const float sum = quad_sum(softmax.sum[r]);
    const Merge merge(old_lse, softmax.max[r] + log2f(sum));
    old_weight[r] = merge.old_weight;
    new_weight[r] = sum == 0.0f ? 0.0f : merge.new_weight / sum;
    if (owns) *row_lse = merge.lse / kLog2E;
  }
  change_rows<kType, kValue>(queries.out(), first, width, accumulates,
                             [&](int t, int r, float2& numbers) {
                               const float* const weighted = softmax.weighted.at[t] + 2 * r;
                               numbers.x = old_weight[r] * numbers.x + new_weight[r] * weighted[0];
                               numbers.y = old_weight[r] * numbers.y + new_weight[r] * weighted[1];
                             });
}

/// Bytes of shared memory: a tile of queries, and two stages of keys and values.
template <int kQuery, int kValue, int kWarps>
constexpr int kSharedBytes = 2 * (SharedTile<kQuery>::size(kWarps * kWarpRows) +
                                  2 * kTileSize<kQuery, kValue>(kKeyRows<kQuery, kValue>));

/// `out` and `lse` of a tile of queries over the keys of a piece.
template <HalfType kType, int kQuery, int kValue, int kWarps>
__device__ void attend(const UnionParams& params, const Turn& turn, std::uint16_t* shared) {
  constexpr int kTileRows = kWarps * kWarpRows, kRows = kKeyRows<kQuery, kValue>;
  constexpr int kThreads = 32 * kWarps;
  const UnionPiece& piece = params.pieces[turn.piece];
  const LayerSizes& sizes = params.sizes;
  const int tiles = divide_up(piece.queries.longest_group(), kTileRows);
  const Place place = place_of(params, piece, turn.slice, turn.block, tiles);
  const int first = (tiles - 1 - place.tile) * kTileRows;  // later queries see more keys
  const LayerRows queries(params, place, query_rows(piece, place));
  const LayerRows keys(params, place, key_rows(piece, place, place.segment - piece.band.shift));
  if (first >= queries.count()) return;
  const auto sight = [&](int row) { return keys_of_query(piece, place.head, row); };
  const Interval range = seen_by_tile(sight(first), sight(first + kTileRows - 1), keys.count());
  if (piece.accumulates && range.is_empty()) return;

  std::uint16_t* const query_tile = shared;
  std::uint16_t* const stages = shared + SharedTile<kQuery>::size(kTileRows);
  const auto key_tile = [&](int stage) {
    return stages + stage * kTileSize<kQuery, kValue>(kRows);
  };
  const auto value_tile = [&](int stage) {
    return key_tile(stage) + SharedTile<kQuery>::size(kRows);
  };
  // A warp's rows, and the two of them that this lane has of the accumulators.
  const int own_first = first + warp_row();
  const Interval of_first = sight(own_first), of_last = sight(own_first + kWarpRows - 1);
  const Interval of_row[2] = {sight(own_first + mma_row(lane_index(), 0)),
                              sight(own_first + mma_row(lane_index(), 2))};
  const float scale = params.scale * kLog2E;
  OnlineSoftmax<kType, kValue> softmax;
  load_rows<kQuery, kTileRows, kThreads>(query_tile, queries.query(), sizes.query_width, first);
  pipeline<kRows>(
      range,
      [&](int stage, int j) {
        load_rows<kQuery, kRows, kThreads>(key_tile(stage), keys.key(), sizes.query_width, j);
        load_rows<kValue, kRows, kThreads>(value_tile(stage), keys.value(), sizes.value_width, j);
      },
      [&](int stage, int j) {
        const TileSight tile(of_first, of_last, j, j + kRows);
        if (tile.is_empty) return;
        Accumulators<kRows / 8> scores;
        add_product_transposed<kType, kQuery>(query_tile + warp_row() * SharedTile<kQuery>::kStride,
                                              key_tile(stage), scores);
        const bool is_whole = tile.is_whole && j + kRows <= range.end;
#pragma unroll
        for (int t = 0; t < kRows / 8; ++t) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const int column = j + 8 * t + mma_column(lane_index(), e);
            const bool seen = is_whole || (of_row[e / 2].has(column) && column < range.end);
            scores.at[t][e] = seen ? scores.at[t][e] * scale : kMinusInfinity;
          }
        }
        softmax.add(scores, value_tile(stage));
      });
  finish_rows(queries, sizes.value_width, own_first, piece.accumulates, softmax);
}

template <HalfType kType, int kQuery, int kValue, int kWarps>
__global__ void __launch_bounds__(32 * kWarps, kResidentBlocks<kQuery, kValue, kWarps>)
    union_forward_kernel(const __grid_constant__ UnionParams params) {
  extern __shared__ uint4 memory[];
  take_turn(params, [&](const Turn& turn) {
    attend<kType, kQuery, kValue, kWarps>(params, turn, reinterpret_cast<std::uint16_t*>(memory));
  });
}

}  // namespace

int launch_union_forward(UnionParams params, HalfType type, void* stream) {
  return with_kernel(params, type, [&](auto its_type, auto query, auto value, auto warps) -> int {
    constexpr int kQuery = decltype(query)::value, kValue = decltype(value)::value;
    constexpr int kWarps = decltype(warps)::value;
    return launch_turns(union_forward_kernel<decltype(its_type)::value, kQuery, kValue, kWarps>,
                        params, kSharedBytes<kQuery, kValue, kWarps>, stream);
  });
}

}  // namespace sparse_transformer
