// The gradient of attention over one piece of a union (union_attention.h), from the `out` and `lse`
// of the union of all pieces: p = exp(s - lse) is then the softmax over the union (paper eq. 3),
//
//     dv_j = Σ_i p_ij·do_i,   ds_ij = p_ij·(do_i·v_j - delta_i),   delta_i = do_i·out_i,
//     dq_i = scale·Σ_j ds_ij·k_j,   dk_j = scale·Σ_i ds_ij·q_i.
//
// One block owns a tile of queries and sums over the keys that they see, another owns a tile of
// keys and sums over the queries that see them: scores are computed twice, and no two blocks add to
// one number.
#include "attention/kernels/union_tiles.cuh"

namespace sparse_transformer {
namespace {

using namespace union_kernels;

constexpr int kRows = 32;  // of the other side, that a tile meets at a time

template <int kQuery, int kWarps>
constexpr int kResidentBlocks = (kQuery > 64 ? 2 : 3) * 4 / kWarps;

/// A tile of one side and two stages of the other, in a block's shared memory. A row's first part
/// has the query's width and its second the value's: query and d_out, or key and value.
template <int kQuery, int kValue, int kWarps>
class SharedTiles {
 public:
  static constexpr int kBytes =
      2 * (kTileSize<kQuery, kValue>(kWarps * kWarpRows) + 2 * kTileSize<kQuery, kValue>(kRows)) +
      2 * 2 * kRows * static_cast<int>(sizeof(float));

  __device__ __forceinline__ explicit SharedTiles(std::uint16_t* shared)
      : first_(shared),
        second_(first_ + SharedTile<kQuery>::size(kWarps * kWarpRows)),
        stages_(second_ + SharedTile<kValue>::size(kWarps * kWarpRows)) {}

  __device__ __forceinline__ std::uint16_t* first() const { return first_; }
  __device__ __forceinline__ std::uint16_t* second() const { return second_; }
  __device__ __forceinline__ std::uint16_t* first(int stage) const {
    return stages_ + stage * kTileSize<kQuery, kValue>(kRows);
  }
  __device__ __forceinline__ std::uint16_t* second(int stage) const {
    return first(stage) + SharedTile<kQuery>::size(kRows);
  }
  __device__ __forceinline__ float* lse(int stage) const {
    return reinterpret_cast<float*>(first(2)) + stage * 2 * kRows;
  }
  __device__ __forceinline__ float* delta(int stage) const { return lse(stage) + kRows; }

 private:
  std::uint16_t *first_, *second_, *stages_;
};

/// Writes factor · sums into a warp's rows of a gradient, or accumulates it.
template <HalfType kType, int kWidth>
__device__ __forceinline__ void finish_gradient(const HeadRows<std::uint16_t>& gradient, int width,
                                                int first, bool accumulates, float factor,
                                                const Accumulators<kWidth / 8>& sums) {
  change_rows<kType, kWidth>(gradient, first, width, accumulates,
                             [&](int t, int r, float2& numbers) {
                               numbers.x += factor * sums.at[t][2 * r];
                               numbers.y += factor * sums.at[t][2 * r + 1];
                             });
}

/// d_query of a tile of queries.
template <HalfType kType, int kQuery, int kValue, int kWarps>
__device__ void query_gradient(const UnionParams& params, const UnionPiece& piece, int slice,
                               int block, std::uint16_t* shared) {
  constexpr int kTileRows = kWarps * kWarpRows, kThreads = 32 * kWarps;
  const LayerSizes& sizes = params.sizes;
  const int tiles = divide_up(piece.queries.longest_group(), kTileRows);
  const Place place = place_of(params, piece, slice, block, tiles);
  const int first = (tiles - 1 - place.tile) * kTileRows;  // later queries see more keys
  const LayerRows queries(params, place, query_rows(piece, place));
  const LayerRows keys(params, place, key_rows(piece, place, place.segment - piece.band.shift));
  if (first >= queries.count()) return;
  const auto sight = [&](int row) { return keys_of_query(piece, place.head, row); };
  const Interval range = seen_by_tile(sight(first), sight(first + kTileRows - 1), keys.count());
  if (piece.accumulates && range.is_empty()) return;

  const SharedTiles<kQuery, kValue, kWarps> tiles_of(shared);
  const int own_first = first + warp_row();
  const Interval of_first = sight(own_first), of_last = sight(own_first + kWarpRows - 1);
  Interval of_row[2];
  float lse[2], delta[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = own_first + mma_row(lane_index(), 2 * r);
    const bool present = row < queries.count();
    of_row[r] = sight(row);
    lse[r] = present ? *queries.lse().row(row) * kLog2E : 0.0f;
    delta[r] = present ? *queries.delta().row(row) : 0.0f;
  }
  const float scale = params.scale * kLog2E;
  Accumulators<kQuery / 8> d_query;
  load_rows<kQuery, kTileRows, kThreads>(tiles_of.first(), queries.query(), sizes.query_width,
                                         first);
  load_rows<kValue, kTileRows, kThreads>(tiles_of.second(), queries.d_out(), sizes.value_width,
                                         first);
  pipeline<kRows>(
      range,
      [&](int stage, int j) {
        load_rows<kQuery, kRows, kThreads>(tiles_of.first(stage), keys.key(), sizes.query_width, j);
        load_rows<kValue, kRows, kThreads>(tiles_of.second(stage), keys.value(), sizes.value_width,
                                           j);
      },
      [&](int stage, int j) {
        const TileSight tile(of_first, of_last, j, j + kRows);
        if (tile.is_empty) return;
        Accumulators<kRows / 8> scores, d_weights;
        add_product_transposed<kType, kQuery>(
            tiles_of.first() + warp_row() * SharedTile<kQuery>::kStride, tiles_of.first(stage),
            scores);
        add_product_transposed<kType, kValue>(
            tiles_of.second() + warp_row() * SharedTile<kValue>::kStride, tiles_of.second(stage),
            d_weights);
        const bool is_whole = tile.is_whole && j + kRows <= range.end;
#pragma unroll
        for (int t = 0; t < kRows / 8; ++t) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const int column = j + 8 * t + mma_column(lane_index(), e);
            const bool seen = is_whole || (of_row[e / 2].has(column) && column < range.end);
            const float weight = seen ? fast_exp2(scores.at[t][e] * scale - lse[e / 2]) : 0.0f;
            scores.at[t][e] = weight * (d_weights.at[t][e] - delta[e / 2]);
          }
        }
        add_product<kType, kQuery>(scores, tiles_of.first(stage), d_query);
      });
  finish_gradient<kType, kQuery>(queries.d_query(), sizes.query_width, own_first, piece.accumulates,
                                 params.scale, d_query);
}

/// d_key and d_value of a tile of keys. Of a band a tile has rows of a group, keys or not, so that
/// every position is written where the piece does not accumulate.
template <HalfType kType, int kQuery, int kValue, int kWarps>
__device__ void key_gradient(const UnionParams& params, const UnionPiece& piece, int slice,
                             int block, std::uint16_t* shared) {
  constexpr int kTileRows = kWarps * kWarpRows, kThreads = 32 * kWarps;
  const LayerSizes& sizes = params.sizes;
  const int rows =
      piece.is_list() ? piece.list.longest(piece.queries.n) : piece.queries.longest_group();
  const Place place = place_of(params, piece, slice, block, divide_up(rows, kTileRows));
  const int first = place.tile * kTileRows;  // earlier keys are seen by more queries
  const LayerRows keys(params, place, key_rows(piece, place, place.segment));
  const LayerRows positions =
      piece.is_list() ? keys : LayerRows(params, place, query_rows(piece, place));
  const LayerRows queries(
      params, place, group_rows(piece.queries, place.segment + piece.band.shift, place.column));
  if (first >= positions.count()) return;
  const auto sight = [&](int row) { return queries_of_key(piece, place.head, row); };
  Interval range = seen_by_tile(sight(first), sight(first + kTileRows - 1), queries.count());
  if (first >= keys.count()) range.end = range.begin;
  if (piece.accumulates && range.is_empty()) return;

  const SharedTiles<kQuery, kValue, kWarps> tiles_of(shared);
  const int own_first = first + warp_row();
  const Interval of_first = sight(own_first), of_last = sight(own_first + kWarpRows - 1);
  const bool all_are_keys = own_first + kWarpRows <= keys.count();
  Interval of_row[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = own_first + mma_row(lane_index(), 2 * r);
    of_row[r] = row < keys.count() ? sight(row) : Interval{0, 0};
  }
  const float scale = params.scale * kLog2E;
  Accumulators<kQuery / 8> d_key;
  Accumulators<kValue / 8> d_value;
  load_rows<kQuery, kTileRows, kThreads>(tiles_of.first(), keys.key(), sizes.query_width, first);
  load_rows<kValue, kTileRows, kThreads>(tiles_of.second(), keys.value(), sizes.value_width, first);
  pipeline<kRows>(
      range,
      [&](int stage, int i) {
        load_rows<kQuery, kRows, kThreads>(tiles_of.first(stage), queries.query(),
                                           sizes.query_width, i);
        load_rows<kValue, kRows, kThreads>(tiles_of.second(stage), queries.d_out(),
                                           sizes.value_width, i);
        load_numbers<kRows, kThreads>(tiles_of.lse(stage), queries.lse(), i);
        load_numbers<kRows, kThreads>(tiles_of.delta(stage), queries.delta(), i);
      },
      [&](int stage, int i) {
        const TileSight tile(of_first, of_last, i, i + kRows);
        if (tile.is_empty) return;
        Accumulators<kRows / 8> weights, d_scores;  // a row is a key, a column a query
        add_product_transposed<kType, kQuery>(
            tiles_of.first() + warp_row() * SharedTile<kQuery>::kStride, tiles_of.first(stage),
            weights);
        add_product_transposed<kType, kValue>(
            tiles_of.second() + warp_row() * SharedTile<kValue>::kStride, tiles_of.second(stage),
            d_scores);
        const bool is_whole = tile.is_whole && all_are_keys && i + kRows <= range.end;
#pragma unroll
        for (int t = 0; t < kRows / 8; ++t) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const int offset = 8 * t + mma_column(lane_index(), e), column = i + offset;
            const bool seen = is_whole || (of_row[e / 2].has(column) && column < range.end);
            const float lse = tiles_of.lse(stage)[offset] * kLog2E;
            const float weight = seen ? fast_exp2(weights.at[t][e] * scale - lse) : 0.0f;
            weights.at[t][e] = weight;
            d_scores.at[t][e] = weight * (d_scores.at[t][e] - tiles_of.delta(stage)[offset]);
          }
        }
        add_product<kType, kValue>(weights, tiles_of.second(stage), d_value);
        add_product<kType, kQuery>(d_scores, tiles_of.first(stage), d_key);
      });
  finish_gradient<kType, kQuery>(positions.d_key(), sizes.query_width, own_first, piece.accumulates,
                                 params.scale, d_key);
  finish_gradient<kType, kValue>(positions.d_value(), sizes.value_width, own_first,
                                 piece.accumulates, 1.0f, d_value);
}

template <HalfType kType, int kQuery, int kValue, int kWarps>
__global__ void __launch_bounds__(32 * kWarps, kResidentBlocks<kQuery, kWarps>)
    union_backward_kernel(const __grid_constant__ UnionParams params) {
  extern __shared__ uint4 memory[];
  take_turn(params, [&](const Turn& turn) {
    auto* const shared = reinterpret_cast<std::uint16_t*>(memory);
    const UnionPiece& piece = params.pieces[turn.piece];
    const BackwardBlock block = backward_block(piece, params.sizes, turn.block, kWarps * kWarpRows);
    if (block.has_keys) {
      key_gradient<kType, kQuery, kValue, kWarps>(params, piece, turn.slice, block.number, shared);
    } else {
      query_gradient<kType, kQuery, kValue, kWarps>(params, piece, turn.slice, block.number,
                                                    shared);
    }
  });
}

constexpr int kDeltaThreads = 128;
constexpr int kDeltaLanes = 16;  // of a query, 8 channels each

/// delta = Σ d_out · out.
template <HalfType kType>
__global__ void __launch_bounds__(kDeltaThreads)
    delta_kernel(const LayerMemory memory, int width, std::int64_t rows) {
  const std::int64_t thread = std::int64_t{blockIdx.x} * kDeltaThreads + threadIdx.x;
  const std::int64_t row = thread / kDeltaLanes;
  const int channel = static_cast<int>(thread % kDeltaLanes) * kHalfsIn16Bytes;
  float sum = 0;
  if (row < rows && channel < width) {
    float out[8], d_out[8];
    unpack_halfs<kType>(load_16_bytes(memory.out + row * width + channel), out);
    unpack_halfs<kType>(load_16_bytes(memory.d_out + row * width + channel), d_out);
#pragma unroll
    for (int i = 0; i < 8; ++i) sum += out[i] * d_out[i];
  }
#pragma unroll
  for (int distance = 1; distance < kDeltaLanes; distance *= 2) {
    sum += __shfl_xor_sync(kWholeWarp, sum, distance);
  }
  if (row < rows && channel == 0) memory.delta[row] = sum;
}

}  // namespace

int launch_union_backward(UnionParams params, HalfType type, void* stream) {
  return with_kernel(params, type, [&](auto its_type, auto query, auto value, auto warps) -> int {
    constexpr int kQuery = decltype(query)::value, kValue = decltype(value)::value;
    constexpr int kWarps = decltype(warps)::value;
    return launch_turns(union_backward_kernel<decltype(its_type)::value, kQuery, kValue, kWarps>,
                        params, SharedTiles<kQuery, kValue, kWarps>::kBytes, stream);
  });
}

int launch_union_delta(const LayerMemory& memory, std::int64_t rows, std::int32_t value_width,
                       HalfType type, void* stream) {
  constexpr int kRowsABlock = kDeltaThreads / kDeltaLanes;
  const auto blocks = static_cast<unsigned>((rows + kRowsABlock - 1) / kRowsABlock);
  const auto kernel = type == HalfType::kBfloat16 ? delta_kernel<HalfType::kBfloat16>
                                                  : delta_kernel<HalfType::kFloat16>;
  kernel<<<blocks, kDeltaThreads, 0, static_cast<cudaStream_t>(stream)>>>(memory, value_width,
                                                                          rows);
  return cudaGetLastError();
}

}  // namespace sparse_transformer
