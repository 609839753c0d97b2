// Half-precision products on tensor cores that end in the non-linearity or in its gradient, so that
// what lies between is not written and read once more.
//
// A block owns a tile of the result, a warp a square of it. Tiles of both factors come into shared
// memory in kStages stages; all but one of them are on their way while one is multiplied. Every sum
// has one order: results repeat bit for bit.
#include <cuda_runtime.h>

#include <cstdint>
#include <limits>

#include "model/kernels/gelu.cuh"
#include "model/kernels/gelu_product.h"
#include "runtime/cuda/half.cuh"
#include "runtime/cuda/memory.cuh"
#include "runtime/cuda/tensor_core.cuh"
#include "runtime/cuda/warp.cuh"

namespace sparse_transformer {
namespace {

constexpr int kThreads = 128;
constexpr int kTileRows = 128, kTileColumns = 128, kTileDepth = 32;
constexpr int kWarpRows = 64, kWarpColumns = 64;
constexpr int kStages = 4;
// Of a multiprocessor: one multiplies while the other begins or ends.
constexpr int kResidentBlocks = 2;
static_assert(kWarpRows == kProductStripeRows);
static_assert(kTileRows / kWarpRows * (kTileColumns / kWarpColumns) * 32 == kThreads);

/// How b [depth, columns] lies in memory.
enum class Layout { kColumnMajor, kRowMajor };

// Numbers of a stage: a tile of a, then one of b.
constexpr int kSizeA = SharedTile<kTileDepth>::size(kTileRows);
template <Layout kLayout>
constexpr int kSizeB = kLayout == Layout::kColumnMajor ? SharedTile<kTileDepth>::size(kTileColumns)
                                                       : SharedTile<kTileColumns>::size(kTileDepth);
template <Layout kLayout>
constexpr int kSharedBytes = 2 * kStages*(kSizeA + kSizeB<kLayout>);

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The first row and column of something in the result.
struct Place {
  std::int64_t row, column;
};

/// Where this block's tile begins. Blocks that run at once have few rows of tiles and few columns
/// of them, so that they read the same parts of a and b, from the second level of cache.
__device__ Place tile_of_block(const GeluProductParams& params) {
  constexpr unsigned kTogether = 8;
  const auto down = static_cast<unsigned>(divide_up(params.rows, kTileRows));
  const auto across = static_cast<unsigned>(divide_up(params.columns, kTileColumns));
  const unsigned first = blockIdx.x / (kTogether * across) * kTogether;
  const unsigned rows = min(down - first, kTogether);
  const unsigned within = blockIdx.x % (kTogether * across);
  return {std::int64_t{first + within % rows} * kTileRows,
          std::int64_t{within / rows} * kTileColumns};
}

/// A dense matrix in global memory.
struct Matrix {
  const std::uint16_t* data;
  std::int64_t rows, columns;
};

/// Begins to load a tile [kRows, kColumns] of a matrix; what the matrix does not have becomes 0.
template <int kRows, int kColumns>
__device__ void load_tile(const Matrix& from, std::int64_t row, std::int64_t column,
                          std::uint16_t* tile) {
  constexpr int kChunks = kColumns / kHalfsIn16Bytes;
  static_assert(kRows * kChunks % kThreads == 0);
#pragma unroll
  for (int first = 0; first < kRows * kChunks; first += kThreads) {
    const int chunk = first + static_cast<int>(threadIdx.x);
    const int r = chunk / kChunks, c = chunk % kChunks * kHalfsIn16Bytes;
    const bool present = row + r < from.rows && column + c < from.columns;
    const std::int64_t place = present ? (row + r) * from.columns + column + c : 0;
    copy_async<16>(tile + r * SharedTile<kColumns>::kStride + c, from.data + place, present);
  }
}

/// A warp's accumulators: [row / 16][column / 8], of each this lane's four (tensor_core.cuh).
struct Accumulators {
  float at[kWarpRows / 16][kWarpColumns / 8][4] = {};
};

/// Where a warp's part of its block's tile begins.
struct Corner {
  int row, column;
};

__device__ Corner warp_corner() {
  constexpr int kAcross = kTileColumns / kWarpColumns;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  return {warp / kAcross * kWarpRows, warp % kAcross * kWarpColumns};
}

/// sums += a warp's rows of a stage's a · its columns of b.
template <HalfType kType, Layout kLayout>
__device__ void multiply(const std::uint16_t* a, const std::uint16_t* b, const Corner& warp,
                         Accumulators& sums) {
  constexpr int kStrideA = SharedTile<kTileDepth>::kStride;
  constexpr int kStrideB = SharedTile<kTileColumns>::kStride;  // of a row-major b
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::uint16_t* const a_row = a + (warp.row + lane % 16) * kStrideA + lane / 16 * 8;
#pragma unroll
  for (int k = 0; k < kTileDepth; k += 16) {
    std::uint32_t a_fragments[kWarpRows / 16][4];
#pragma unroll
    for (int m = 0; m < kWarpRows / 16; ++m) {
      load_matrices(a_row + m * 16 * kStrideA + k, a_fragments[m]);
    }
#pragma unroll
    for (int n = 0; n < kWarpColumns / 8; n += 2) {
      std::uint32_t b_fragment[4];  // two halves of k for each of two tiles
      const int column = warp.column + 8 * n;
      if constexpr (kLayout == Layout::kColumnMajor) {
        load_matrices(b + (column + lane / 16 * 8 + lane % 8) * kStrideA + k + lane / 8 % 2 * 8,
                      b_fragment);
      } else {
        load_matrices_transposed(b + (k + lane % 16) * kStrideB + column + lane / 16 * 8,
                                 b_fragment);
      }
#pragma unroll
      for (int m = 0; m < kWarpRows / 16; ++m) {
        mma<kType>(sums.at[m][n], a_fragments[m], b_fragment[0], b_fragment[1]);
        mma<kType>(sums.at[m][n + 1], a_fragments[m], b_fragment[2], b_fragment[3]);
      }
    }
  }
}

/// A warp's part of the tile of a·b that begins at `tile`.
template <HalfType kType, Layout kLayout>
__device__ void sum_products(const GeluProductParams& params, const Place& tile,
                             std::uint16_t* shared, Accumulators& sums) {
  const auto stage_of = [shared](std::int64_t i) {
    return shared + static_cast<int>(i % kStages) * (kSizeA + kSizeB<kLayout>);
  };
  const std::int64_t count = divide_up(params.depth, kTileDepth);
  const auto load = [&](std::int64_t i) {
    if (i < count) {
      std::uint16_t* const a = stage_of(i);
      std::uint16_t* const b = a + kSizeA;
      const std::int64_t k = i * kTileDepth;
      load_tile<kTileRows, kTileDepth>({params.a, params.rows, params.depth}, tile.row, k, a);
      if constexpr (kLayout == Layout::kColumnMajor) {
        load_tile<kTileColumns, kTileDepth>({params.b, params.columns, params.depth}, tile.column,
                                            k, b);
      } else {
        load_tile<kTileDepth, kTileColumns>({params.b, params.depth, params.columns}, k,
                                            tile.column, b);
      }
    }
    commit_copies();
  };
  const Corner warp = warp_corner();
  for (int i = 0; i < kStages - 1; ++i) load(i);
  for (std::int64_t i = 0; i < count; ++i) {
    wait_for_copies<kStages - 2>();
    // All threads have stage i now, and none reads the one before it any more, which load()
    // overwrites.
    __syncthreads();
    load(i + kStages - 1);
    const std::uint16_t* const a = stage_of(i);
    multiply<kType, kLayout>(a, a + kSizeA, warp, sums);
  }
}

constexpr int kEight = kHalfsIn16Bytes;    // neighbouring columns that a lane moves at once
constexpr int kEights = kWarpRows / 8;     // ... below each other that it has
constexpr int kParts = kWarpColumns / 32;  // ... beside each other

/// Rounds the i-th of this lane's eights of numbers in a part of a warp's sums.
template <HalfType kType>
__device__ uint4 round_eight(const Accumulators& sums, int part, int i) {
  std::uint32_t pairs[4];
#pragma unroll
  for (int t = 0; t < 4; ++t) {
    const float(&at)[4] = sums.at[i / 2][4 * part + t];
    pairs[t] = pack_halfs<kType>(at[i % 2 * 2], at[i % 2 * 2 + 1]);
  }
  transpose_quad(pairs);
  return {pairs[0], pairs[1], pairs[2], pairs[3]};
}

/// Where those eights lie in the result: below each other, 8 rows apart.
struct Eights {
  __device__ Eights(const GeluProductParams& params, const Place& tile, int part)
      : rows(params.rows), columns(params.columns) {
    const Corner warp = warp_corner();
    const int lane = static_cast<int>(threadIdx.x) % 32;
    row = tile.row + warp.row + lane / 4;
    column = tile.column + warp.column + 32 * part + lane % 4 * kEight;
  }
  __device__ bool has(int i) const { return row + 8 * i < rows && column < columns; }
  __device__ std::int64_t at(int i) const { return (row + 8 * i) * columns + column; }

  std::int64_t rows, columns, row, column;
};

/// Loads the bias of eight columns; leaves it as it is where there are none.
__device__ void load_bias(const GeluProductParams& params, std::int64_t column,
                          float (&bias)[kEight]) {
  if (column >= params.columns) return;
  const uint4 words[2] = {load_16_bytes(params.bias + column),
                          load_16_bytes(params.bias + column + 4)};
  memcpy(bias, words, sizeof(bias));
}

template <HalfType kType>
__global__ void __launch_bounds__(kThreads, kResidentBlocks)
    gelu_product_kernel(const __grid_constant__ GeluProductParams params) {
  extern __shared__ uint4 memory[];
  const Place tile = tile_of_block(params);
  Accumulators sums;
  sum_products<kType, Layout::kColumnMajor>(params, tile, reinterpret_cast<std::uint16_t*>(memory),
                                            sums);
#pragma unroll
  for (int part = 0; part < kParts; ++part) {
    const Eights eights(params, tile, part);
    float bias[kEight] = {};
    load_bias(params, eights.column, bias);
#pragma unroll
    for (int i = 0; i < kEights; ++i) {
      const uint4 pre = round_eight<kType>(sums, part, i);
      if (!eights.has(i)) continue;
      store_16_bytes(params.pre + eights.at(i), pre);
      float x[kEight];
      unpack_halfs<kType>(pre, x);
#pragma unroll
      for (int j = 0; j < kEight; ++j) x[j] = gelu(x[j] + bias[j]);
      store_16_bytes(params.out + eights.at(i), pack_halfs<kType>(x));
    }
  }
}

/// Writes the sums of a warp's rows, a stripe, from those of this lane's.
__device__ void write_stripe(const Eights& eights, float (&total)[kEight], float* sums) {
#pragma unroll
  for (int j = 0; j < kEight; ++j) {
#pragma unroll
    for (int bits = 4; bits < 32; bits *= 2) {
      total[j] += __shfl_xor_sync(kWholeWarp, total[j], bits);
    }
  }
  if (threadIdx.x % 32 < 4 && eights.has(0)) {
    float* const to = sums + eights.row / kProductStripeRows * eights.columns + eights.column;
    uint4 words[2];
    memcpy(words, total, sizeof(words));
    store_16_bytes(to, words[0]);
    store_16_bytes(to + 4, words[1]);
  }
}

template <HalfType kType>
__global__ void __launch_bounds__(kThreads, kResidentBlocks)
    gelu_product_gradient_kernel(const __grid_constant__ GeluProductParams params,
                                 float* sums_over_rows) {
  extern __shared__ uint4 memory[];
  const Place tile = tile_of_block(params);
  Accumulators sums;
  sum_products<kType, Layout::kRowMajor>(params, tile, reinterpret_cast<std::uint16_t*>(memory),
                                         sums);
#pragma unroll
  for (int part = 0; part < kParts; ++part) {
    const Eights eights(params, tile, part);
    float bias[kEight] = {}, total[kEight] = {};
    load_bias(params, eights.column, bias);
    uint4 pre[kEights] = {};  // all are on their way before the first is needed
#pragma unroll
    for (int i = 0; i < kEights; ++i) {
      if (eights.has(i)) pre[i] = load_16_bytes(params.pre + eights.at(i));
    }
#pragma unroll
    for (int i = 0; i < kEights; ++i) {
      const uint4 product = round_eight<kType>(sums, part, i);
      if (!eights.has(i)) continue;
      float x[kEight], d[kEight];
      unpack_halfs<kType>(pre[i], x);
      unpack_halfs<kType>(product, d);
#pragma unroll
      for (int j = 0; j < kEight; ++j) {
        d[j] *= gelu_derivative(x[j] + bias[j]);
        total[j] += d[j];
      }
      store_16_bytes(params.out + eights.at(i), pack_halfs<kType>(d));
    }
    write_stripe(eights, total, sums_over_rows);
  }
}

template <typename... Parameters, typename... Arguments>
int launch(void (*kernel)(Parameters...), int shared_bytes, void* stream,
           const GeluProductParams& params, const Arguments&... arguments) {
  const std::int64_t blocks =
      divide_up(params.rows, kTileRows) * divide_up(params.columns, kTileColumns);
  if (blocks > std::numeric_limits<std::int32_t>::max()) return cudaErrorInvalidConfiguration;
  const cudaError_t error =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
  if (error != cudaSuccess) return error;
  kernel<<<static_cast<unsigned>(blocks), kThreads, static_cast<std::size_t>(shared_bytes),
           static_cast<cudaStream_t>(stream)>>>(params, arguments...);
  return cudaGetLastError();
}

}  // namespace

int launch_gelu_product(const GeluProductParams& params, HalfType type, void* stream) {
  const auto kernel = type == HalfType::kBfloat16 ? gelu_product_kernel<HalfType::kBfloat16>
                                                  : gelu_product_kernel<HalfType::kFloat16>;
  return launch(kernel, kSharedBytes<Layout::kColumnMajor>, stream, params);
}

int launch_gelu_product_gradient(const GeluProductParams& params, HalfType type, float* sums,
                                 void* stream) {
  const auto kernel = type == HalfType::kBfloat16
                          ? gelu_product_gradient_kernel<HalfType::kBfloat16>
                          : gelu_product_gradient_kernel<HalfType::kFloat16>;
  return launch(kernel, kSharedBytes<Layout::kRowMajor>, stream, params, sums);
}

}  // namespace sparse_transformer
