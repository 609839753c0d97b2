// What the kernels of union_attention.h share: which block does what, which rows a tile has and
// sees, and tiles of them in shared memory and in registers.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <limits>
#include <type_traits>

#include "attention/kernels/union_attention.h"
#include "runtime/cuda/half.cuh"
#include "runtime/cuda/math.cuh"
#include "runtime/cuda/memory.cuh"
#include "runtime/cuda/tensor_core.cuh"
#include "runtime/cuda/warp.cuh"

namespace sparse_transformer::union_kernels {

constexpr float kMinusInfinity = -__builtin_huge_valf();

__device__ __forceinline__ int lane_index() { return static_cast<int>(threadIdx.x) % 32; }
/// The first row of this thread's warp in its block's tile.
__device__ __forceinline__ int warp_row() { return static_cast<int>(threadIdx.x) / 32 * kWarpRows; }

// --- Turns

/// What a block does.
struct Turn {
  int piece, slice;
  int block;    // of the piece in the slice
  int earlier;  // blocks of the slice in earlier pieces
};

/// Returns whether turn `number` has anything to do.
__device__ __forceinline__ bool find_turn(const UnionParams& params, unsigned number, Turn& turn) {
  const auto round = static_cast<unsigned>(params.round);
  turn = {0, static_cast<int>(number / round), static_cast<int>(number % round), 0};
  while (turn.block >= params.blocks[turn.piece]) {
    turn.block -= params.blocks[turn.piece];
    turn.earlier += params.blocks[turn.piece];
    ++turn.piece;
  }
  turn.slice -= turn.piece * params.lag;
  return turn.slice >= 0 && turn.slice < params.slices;
}

/// Waits until a number that other blocks count up is at least `least`. What they wrote before can
/// be read after the next barrier of the block.
__device__ __forceinline__ void wait_for(const std::int32_t* number, std::int32_t least) {
  while (true) {
    std::int32_t now;
    asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(now) : "l"(number) : "memory");
    if (now >= least) return;
    __nanosleep(100);
  }
}

/// Takes a turn and calls run(turn) when the pieces that it accumulates into are finished.
template <typename Run>
__device__ __forceinline__ void take_turn(const UnionParams& params, const Run& run) {
  __shared__ unsigned number;
  if (threadIdx.x == 0) number = static_cast<unsigned>(atomicAdd(params.counters, 1));
  __syncthreads();
  Turn turn;
  if (!find_turn(params, number, turn)) return;
  std::int32_t* const finished = params.counters + 1 + turn.slice;
  if (turn.earlier > 0) {
    if (threadIdx.x == 0) wait_for(finished, turn.earlier);
    __syncthreads();
  }
  run(turn);
  if (turn.piece + 1 == params.count) return;  // nobody waits for the last piece
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();  // what the block wrote, before the count
    atomicAdd(finished, 1);
  }
}

// --- Rows

/// Where in the layer a block works.
struct Place {
  int batch, head;
  int segment, column;
  int tile;
};

/// Block `block` of a piece in a slice. Neighbours work at neighbouring heads, then columns: what
/// lies together in memory is read together.
__device__ __forceinline__ Place place_of(const UnionParams& params, const UnionPiece& piece,
                                          int slice, int block, int tiles) {
  const auto next = [](int& number, int count) {
    const auto part = static_cast<unsigned>(number) % static_cast<unsigned>(count);
    number = static_cast<int>(static_cast<unsigned>(number) / static_cast<unsigned>(count));
    return static_cast<int>(part);
  };
  const LayerSizes& sizes = params.sizes;
  Place place;
  place.head = sizes.first_head + next(block, sizes.slice_heads);
  place.column = next(block, piece.queries.inner);
  place.tile = next(block, tiles);
  place.segment = block;
  place.head += sizes.slice_heads * next(slice, sizes.group_heads / sizes.slice_heads);
  place.batch = slice;
  return place;
}

/// Rows of a group or of a list: row i is at position first + i / width · step + i % width ·
/// width_step. Bands have width 1.
struct Rows {
  int first, step, count;
  int width, width_step;

  __device__ __forceinline__ int position(int i) const {
    if (width == 1) return first + i * step;
    const auto number = static_cast<unsigned>(i), each = static_cast<unsigned>(width);
    return first + static_cast<int>(number / each) * step +
           static_cast<int>(number % each) * width_step;
  }
};

/// The positions of a group; none where there is no such segment.
__device__ __forceinline__ Rows group_rows(const QueryGroups& groups, int segment, int column) {
  const int first = groups.origin + segment * groups.length * groups.inner + column;
  Rows rows{first, groups.inner, 0, 1, 0};
  if (segment < 0 || first >= groups.n) return rows;
  rows.count = min(groups.length, divide_up(groups.n - first, groups.inner));
  return rows;
}

__device__ __forceinline__ Rows query_rows(const UnionPiece& piece, const Place& place) {
  return group_rows(piece.queries, place.segment, place.column);
}

/// The keys of a group of a band, or of a list.
__device__ __forceinline__ Rows key_rows(const UnionPiece& piece, const Place& place, int segment) {
  if (piece.is_list()) {
    const ListedKeys& list = piece.list;
    return {list.origin + list.first_column(place.head), list.period,
            list.keys_of(piece.queries.n - 1, place.head), list.width, list.width_step};
  }
  Rows rows = group_rows(piece.queries, segment, place.column);
  rows.count = min(rows.count, piece.band.keys);
  return rows;
}

/// From begin up to, not including, end.
struct Interval {
  int begin, end;
  __device__ __forceinline__ bool has(int i) const { return i >= begin && i < end; }
  __device__ __forceinline__ bool is_empty() const { return begin >= end; }
};

/// The keys that query row i sees. Both ends grow with i.
__device__ __forceinline__ Interval keys_of_query(const UnionPiece& piece, int head, int i) {
  if (piece.is_list()) return {0, piece.list.keys_of(i, head)};  // row i is position i
  return {i - piece.band.high, i - piece.band.low + 1};
}

/// The queries that see key row j. Both ends grow with j.
__device__ __forceinline__ Interval queries_of_key(const UnionPiece& piece, int head, int j) {
  if (piece.is_list()) {
    const ListedKeys& list = piece.list;
    const auto group = static_cast<unsigned>(j) / static_cast<unsigned>(list.width);
    return {list.first_query(head) + static_cast<int>(group) * list.period, piece.queries.n};
  }
  return {j + piece.band.low, j + piece.band.high + 1};
}

/// What `rows` rows of one side, of which the first and last see these intervals, see together, of
/// `count` rows of the other side.
__device__ __forceinline__ Interval seen_by_tile(const Interval& first, const Interval& last,
                                                 int count) {
  return {max(first.begin, 0), min(last.end, count)};
}

/// How a tile of the other side, from row `begin` up to `end`, lies to what a warp's rows see.
struct TileSight {
  bool is_empty;  // none of its rows is seen by any of the warp's
  bool is_whole;  // all are seen by all
  __device__ __forceinline__ TileSight(const Interval& first, const Interval& last, int begin,
                                       int end)
      : is_empty(end <= first.begin || begin >= last.end),
        is_whole(begin >= last.begin && end <= first.end) {}
};

// --- Tensors

/// Rows of one head in a tensor: row i begins at data[rows.position(i) · stride].
template <typename T>
struct HeadRows {
  T* data;
  std::int64_t stride;
  Rows rows;

  __device__ __forceinline__ T* row(int i) const { return data + rows.position(i) * stride; }
  __device__ __forceinline__ int count() const { return rows.count; }
};

/// The tensors of a layer at some rows of a block's sequence and head.
class LayerRows {
 public:
  __device__ __forceinline__ LayerRows(const UnionParams& params, const Place& place,
                                       const Rows& rows)
      : params_(params), place_(place), rows_(rows) {}

  __device__ __forceinline__ int count() const { return rows_.count; }

  __device__ __forceinline__ auto query() const { return packed(params_.memory.packed, 0); }
  __device__ __forceinline__ auto key() const { return packed(params_.memory.packed, 1); }
  __device__ __forceinline__ auto value() const { return packed(params_.memory.packed, 2); }
  __device__ __forceinline__ auto d_query() const { return packed(params_.memory.d_packed, 0); }
  __device__ __forceinline__ auto d_key() const { return packed(params_.memory.d_packed, 1); }
  __device__ __forceinline__ auto d_value() const { return packed(params_.memory.d_packed, 2); }
  __device__ __forceinline__ auto out() const {
    return head_rows(params_.memory.out, params_.sizes.value_width, 0);
  }
  __device__ __forceinline__ auto d_out() const {
    return head_rows(params_.memory.d_out, params_.sizes.value_width, 0);
  }
  __device__ __forceinline__ auto lse() const { return head_rows(params_.memory.lse, 1, 0); }
  __device__ __forceinline__ auto delta() const { return head_rows(params_.memory.delta, 1, 0); }

 private:
  template <typename T>
  __device__ __forceinline__ HeadRows<T> head_rows(T* tensor, int width, int channel) const {
    const std::int64_t stride = static_cast<std::int64_t>(params_.sizes.heads) * width;
    const std::int64_t n = params_.pieces[0].queries.n;
    return {tensor + place_.batch * n * stride + static_cast<std::int64_t>(place_.head) * width +
                channel,
            stride, rows_};
  }
  /// Query, key and value are parts 0, 1 and 2 of a packed row.
  template <typename T>
  __device__ __forceinline__ HeadRows<T> packed(T* tensor, int part) const {
    const LayerSizes& sizes = params_.sizes;
    return head_rows(tensor, 2 * sizes.query_width + sizes.value_width, part * sizes.query_width);
  }

  const UnionParams& params_;
  const Place& place_;
  Rows rows_;
};

// --- Tiles in shared memory

/// Numbers of a tile of either width.
template <int kQuery, int kValue>
constexpr int kTileSize(int rows) {
  return SharedTile<kQuery>::size(rows) + SharedTile<kValue>::size(rows);
}

/// Begins to load rows first ... first + kRows - 1; what is not there becomes 0. `width` of the
/// kWidth channels exist.
template <int kWidth, int kRows, int kThreads, typename T>
__device__ __forceinline__ void load_rows(std::uint16_t* tile, const HeadRows<T>& from, int width,
                                          int first) {
  constexpr int kChunks = kWidth / kHalfsIn16Bytes, kRowsAtOnce = kThreads / kChunks;
  constexpr int kStride = SharedTile<kWidth>::kStride;
  static_assert(kThreads % kChunks == 0 && kRows % kRowsAtOnce == 0);
  const int own = static_cast<int>(threadIdx.x) / kChunks;
  const int channel = static_cast<int>(threadIdx.x) % kChunks * kHalfsIn16Bytes;
  const int count = channel < width ? from.count() - first : 0;
  std::uint16_t* const to = tile + own * kStride + channel;
  if (from.rows.width == 1) {
    const std::int64_t step = from.stride * from.rows.step;
    const std::uint16_t* source =
        from.data + from.stride * from.rows.first + (first + own) * step + channel;
#pragma unroll
    for (int row = 0; row < kRows; row += kRowsAtOnce, source += kRowsAtOnce * step) {
      const bool present = row + own < count;
      copy_async<16>(to + row * kStride, present ? source : from.data, present);
    }
    return;
  }
#pragma unroll 4  // not more: the division for each row takes registers
  for (int row = 0; row < kRows; row += kRowsAtOnce) {
    const bool present = row + own < count;
    copy_async<16>(to + row * kStride, present ? from.row(first + own + row) + channel : from.data,
                   present);
  }
}

/// The same of single numbers.
template <int kRows, int kThreads>
__device__ __forceinline__ void load_numbers(float* into, const HeadRows<float>& from, int first) {
#pragma unroll
  for (int begin = 0; begin < kRows; begin += kThreads) {
    const int i = begin + static_cast<int>(threadIdx.x);
    if (kRows % kThreads != 0 && i >= kRows) break;
    const bool present = first + i < from.count();
    copy_async<4>(into + i, present ? from.row(first + i) : from.data, present);
  }
}

/// Calls compute(stage, i) for i = range.begin, range.begin + kRows, ... with rows i ... of the
/// other side in shared memory, the next ones already on their way into the other of two stages.
template <int kRows, typename Load, typename Compute>
__device__ __forceinline__ void pipeline(const Interval& range, const Load& load,
                                         const Compute& compute) {
  if (!range.is_empty()) load(0, range.begin);
  commit_copies();
  int stage = 0;
  for (int i = range.begin; i < range.end; i += kRows) {
    if (i + kRows < range.end) load(1 - stage, i + kRows);
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();
    compute(stage, i);
    __syncthreads();
    stage = 1 - stage;
  }
  wait_for_copies<0>();
}

// --- Tiles in registers

/// Accumulators of a warp: 16 rows, kTiles · 8 columns. This lane has the elements [t][e] of rows
/// mma_row(e) and columns 8·t + mma_column(e).
template <int kTiles>
struct Accumulators {
  float at[kTiles][4] = {};
};

/// sums += a·bᵀ, of a [16, kWidth] and b [kTiles · 8, kWidth] in shared memory.
template <HalfType kType, int kWidth, int kTiles>
__device__ __forceinline__ void add_product_transposed(const std::uint16_t* a,
                                                       const std::uint16_t* b,
                                                       Accumulators<kTiles>& sums) {
  constexpr int kStride = SharedTile<kWidth>::kStride;
  const int lane = lane_index();
  const std::uint16_t* const a_row = a + lane % 16 * kStride + lane / 16 * 8;
  const std::uint16_t* const b_row = b + (lane / 16 * 8 + lane % 8) * kStride + lane / 8 % 2 * 8;
#pragma unroll
  for (int k = 0; k < kWidth; k += 16) {
    std::uint32_t a_fragment[4];
    load_matrices(a_row + k, a_fragment);
#pragma unroll
    for (int t = 0; t < kTiles; t += 2) {
      std::uint32_t b_fragment[4];  // two halves of k for each of two tiles
      load_matrices(b_row + t * 8 * kStride + k, b_fragment);
      mma<kType>(sums.at[t], a_fragment, b_fragment[0], b_fragment[1]);
      mma<kType>(sums.at[t + 1], a_fragment, b_fragment[2], b_fragment[3]);
    }
  }
}

/// sums += p·b, of p [16, kTiles · 8] in registers and b [kTiles · 8, kWidth] in shared memory.
template <HalfType kType, int kWidth, int kTiles>
__device__ __forceinline__ void add_product(const Accumulators<kTiles>& p, const std::uint16_t* b,
                                            Accumulators<kWidth / 8>& sums) {
  constexpr int kStride = SharedTile<kWidth>::kStride;
  const int lane = lane_index();
  const std::uint16_t* const b_row = b + lane % 16 * kStride + lane / 16 * 8;
#pragma unroll
  for (int t = 0; t < kTiles; t += 2) {
    // The accumulators of two neighbouring tiles are the fragment a of 16 columns.
    const std::uint32_t p_fragment[4] = {pack_halfs<kType>(p.at[t][0], p.at[t][1]),
                                         pack_halfs<kType>(p.at[t][2], p.at[t][3]),
                                         pack_halfs<kType>(p.at[t + 1][0], p.at[t + 1][1]),
                                         pack_halfs<kType>(p.at[t + 1][2], p.at[t + 1][3])};
#pragma unroll
    for (int w = 0; w < kWidth / 8; w += 2) {
      std::uint32_t b_fragment[4];
      load_matrices_transposed(b_row + t * 8 * kStride + w * 8, b_fragment);
      mma<kType>(sums.at[w], p_fragment, b_fragment[0], b_fragment[1]);
      mma<kType>(sums.at[w + 1], p_fragment, b_fragment[2], b_fragment[3]);
    }
  }
}

/// The sum or the maximum over the four lanes that share a row of accumulators.
__device__ __forceinline__ float quad_sum(float x) {
  x += __shfl_xor_sync(kWholeWarp, x, 1);
  return x + __shfl_xor_sync(kWholeWarp, x, 2);
}
__device__ __forceinline__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(kWholeWarp, x, 1));
  return fmaxf(x, __shfl_xor_sync(kWholeWarp, x, 2));
}

/// Changes a warp's rows first ... first + 15 of a half-precision tensor, `width` of the kWidth
/// channels that the kernel has. Calls update(t, r, numbers), which changes two numbers, for the
/// elements [t][2·r] and [t][2·r + 1] of accumulators; they are 0 before where `reads` is false.
/// Memory is read and written 16 bytes a lane, 8 neighbouring channels, and exchanged within a row.
template <HalfType kType, int kWidth, typename Update>
__device__ __forceinline__ void change_rows(const HeadRows<std::uint16_t>& matrix, int first,
                                            int width, bool reads, const Update& update) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = first + mma_row(lane_index(), 2 * r);
    std::uint16_t* const data = row < matrix.count() ? matrix.row(row) : nullptr;
#pragma unroll
    for (int t = 0; t < kWidth / 8; t += 4) {
      const int channel = 8 * (t + lane_index() % 4);
      const bool present = data != nullptr && channel < width;
      std::uint32_t pairs[4] = {};
      if (reads) {
        if (present) {
          const uint4 words = load_16_bytes_coherent(data + channel);
          pairs[0] = words.x, pairs[1] = words.y, pairs[2] = words.z, pairs[3] = words.w;
        }
        transpose_quad(pairs);
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        float2 numbers = unpack_halfs<kType>(pairs[i]);
        update(t + i, r, numbers);
        pairs[i] = pack_halfs<kType>(numbers.x, numbers.y);
      }
      transpose_quad(pairs);
      if (present) store_16_bytes(data + channel, {pairs[0], pairs[1], pairs[2], pairs[3]});
    }
  }
}

// --- Launches

/// Blocks of a kernel that the device runs at once.
template <typename Kernel>
cudaError_t count_resident_blocks(Kernel kernel, int threads, int bytes, int& blocks) {
  int device = 0, multiprocessors = 0, blocks_each = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error != cudaSuccess) return error;
  error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
  if (error != cudaSuccess) return error;
  error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks_each, kernel, threads,
                                                        static_cast<std::size_t>(bytes));
  blocks = multiprocessors * blocks_each;
  return error;
}

template <typename Kernel>
int launch_turns(Kernel kernel, UnionParams& params, int bytes, void* stream) {
  params.round = 0;
  for (int i = 0; i < params.count; ++i) params.round += params.blocks[i];
  const int threads = 32 * params.warps;
  cudaError_t error =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  int resident = 0;
  error = count_resident_blocks(kernel, threads, bytes, resident);
  if (error != cudaSuccess) return error;
  params.lag = min(1 + resident / params.round, params.slices);
  const std::int64_t turns =
      std::int64_t{params.round} * (params.slices + params.lag * (params.count - 1));
  if (turns > std::numeric_limits<std::int32_t>::max()) return cudaErrorInvalidConfiguration;
  kernel<<<static_cast<unsigned>(turns), threads, static_cast<std::size_t>(bytes),
           static_cast<cudaStream_t>(stream)>>>(params);
  return cudaGetLastError();
}

template <int kValue>
using Constant = std::integral_constant<int, kValue>;

/// Calls run(type, query width, value width, warps) with the constants of the kernel that serves a
/// launch: narrower heads leave columns of a tile at zero. Values are as wide as queries or twice
/// as wide.
template <typename Run>
int with_kernel(const UnionParams& params, HalfType type, const Run& run) {
  const auto with_warps = [&](auto its_type, auto query, auto value) -> int {
    if (params.warps == 1) return run(its_type, query, value, Constant<1>());
    if (params.warps == 2) return run(its_type, query, value, Constant<2>());
    return run(its_type, query, value, Constant<4>());
  };
  const auto with_widths = [&](auto its_type) -> int {
    const int query = params.sizes.query_width, value = params.sizes.value_width;
    if (query <= 32 && value <= 32) return with_warps(its_type, Constant<32>(), Constant<32>());
    if (query <= 32 && value <= 64) return with_warps(its_type, Constant<32>(), Constant<64>());
    if (query <= 64 && value <= 64) return with_warps(its_type, Constant<64>(), Constant<64>());
    if (query <= 64) return with_warps(its_type, Constant<64>(), Constant<128>());
    return with_warps(its_type, Constant<128>(), Constant<128>());
  };
  if (type == HalfType::kBfloat16) {
    return with_widths(std::integral_constant<HalfType, HalfType::kBfloat16>());
  }
  return with_widths(std::integral_constant<HalfType, HalfType::kFloat16>());
}

}  // namespace sparse_transformer::union_kernels
