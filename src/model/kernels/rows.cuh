// What the CUDA kernels of rows.h share: 16 bytes at a time, the dropout mask, and sums over rows.
//
// A thread moves kCount numbers at once: 16 bytes where widths and addresses are multiples of that,
// else one. Arithmetic is in float32. Where sums over rows are formed, a block owns a stripe of
// kStripeRows rows and writes the sums of its stripe; rows_cuda.cpp adds up the stripes. No two
// blocks add to one number, so results repeat bit for bit.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include "model/kernels/rows.h"
#include "model/kernels/rows_launch.h"
#include "runtime/cuda/half.cuh"
#include "runtime/cuda/memory.cuh"
#include "runtime/philox.h"

namespace sparse_transformer::row_kernels {

constexpr int kThreads = 256, kWarps = kThreads / 32;

/// Loads kCount numbers as float32: one, or whole pieces of 16 bytes.
template <int kCount>
__device__ void load(const float* from, float (&x)[kCount]) {
  if constexpr (kCount == 1) {
    x[0] = *from;
  } else {
#pragma unroll
    for (int i = 0; i < kCount; i += 4) {
      const uint4 words = load_16_bytes(from + i);
      memcpy(x + i, &words, sizeof(words));
    }
  }
}
template <int kCount, HalfType kType>
__device__ void load(const HalfNumber<kType>* from, float (&x)[kCount]) {
  if constexpr (kCount == 1) {
    x[0] = unpack_halfs<kType>(from->bits).x;
  } else {
    unpack_halfs<kType>(load_16_bytes(from), x);
  }
}

/// Stores them in the type of the matrix.
template <int kCount>
__device__ void store(const float (&x)[kCount], float* to) {
  if constexpr (kCount == 1) {
    *to = x[0];
  } else {
#pragma unroll
    for (int i = 0; i < kCount; i += 4) {
      uint4 words;
      memcpy(&words, x + i, sizeof(words));
      store_16_bytes(to + i, words);
    }
  }
}
template <int kCount, HalfType kType>
__device__ void store(const float (&x)[kCount], HalfNumber<kType>* to) {
  if constexpr (kCount == 1) {
    to->bits = static_cast<std::uint16_t>(pack_halfs<kType>(x[0], 0.0f));
  } else {
    store_16_bytes(to, pack_halfs<kType>(x));
  }
}

/// What dropout multiplies kCount neighbouring numbers of a row with.
template <int kCount>
class DropoutFactors {
 public:
  __device__ explicit DropoutFactors(const RowMask& mask)
      : mask_(mask),
        factor_(static_cast<float>(mask.factor)),
        step_(mask.step_in_memory == nullptr ? mask.step
                                             : static_cast<std::uint32_t>(*mask.step_in_memory)) {}

  __device__ void get(std::int64_t row, std::int64_t width, std::int64_t column,
                      float (&factors)[kCount]) const {
    const auto rows = static_cast<std::uint32_t>(mask_.sequence_rows);
    const std::uint32_t sequence = static_cast<std::uint32_t>(row) / rows;
    const std::int64_t first = (row - std::int64_t{sequence} * rows) * width + column;
#pragma unroll
    for (int i = 0; i < kCount; i += kWords) {
      const PhiloxWords words =
          philox_words(mask_.seed, {{static_cast<std::uint32_t>((first + i) / kWords), step_,
                                     mask_.first_sequence + sequence, mask_.site}});
#pragma unroll
      for (int j = 0; j < kWords && j < kCount; ++j) {
        const std::uint32_t word = words.word[kCount == 1 ? first % kWords : j];
        factors[i + j] = word >= mask_.threshold ? factor_ : 0.0f;
      }
    }
  }

 private:
  static constexpr int kWords = 4;  // of one call of Philox

  const RowMask& mask_;
  const float factor_;
  const std::uint32_t step_;
};

/// A block's part of a matrix whose columns are independent: a stripe of rows, a tile of columns.
template <int kCount>
struct Tile {
  static constexpr int kColumns = 32 * kCount;

  static constexpr std::int64_t tiles(std::int64_t width) {
    return (width + kColumns - 1) / kColumns;
  }
  /// Blocks of a launch.
  static constexpr std::int64_t blocks(std::int64_t rows, std::int64_t width) {
    return stripes(rows) * tiles(width);
  }
  /// That of this block.
  __device__ static Tile of_block(std::int64_t width) {
    const auto across = static_cast<unsigned>(tiles(width));
    return {blockIdx.x / across, blockIdx.x % across * kColumns};
  }

  std::int64_t stripe, first_column;

  /// Calls visit(row, column) for this thread's numbers: kCount in a row, kWarps rows at a time.
  template <typename Visit>
  __device__ void for_each(std::int64_t rows, std::int64_t width, const Visit& visit) const {
    const std::int64_t column = first_column + static_cast<int>(threadIdx.x % 32) * kCount;
    if (column >= width) return;
    const std::int64_t first = stripe * kStripeRows;
    const std::int64_t end = min(first + kStripeRows, rows);
    for (std::int64_t row = first + threadIdx.x / 32; row < end; row += kWarps) visit(row, column);
  }
};

/// Sums over the rows of a tile into sums [stripes, kSums, width]. visit(row, column, own
/// [kSums][kCount]) adds a thread's numbers to its own sums.
template <int kSums, int kCount, typename Visit>
__device__ void sum_tile(const Tile<kCount>& tile, std::int64_t rows, std::int64_t width,
                         float* sums, const Visit& visit) {
  constexpr int kColumns = Tile<kCount>::kColumns;
  __shared__ float of_warps[kSums][kWarps][kColumns];
  float own[kSums][kCount] = {};
  tile.for_each(rows, width,
                [&](std::int64_t row, std::int64_t column) { visit(row, column, own); });
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int s = 0; s < kSums; ++s) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) of_warps[s][warp][lane * kCount + i] = own[s][i];
  }
  __syncthreads();
  const auto column = static_cast<int>(threadIdx.x);
  if (column < kColumns && tile.first_column + column < width) {
#pragma unroll
    for (int s = 0; s < kSums; ++s) {
      float sum = 0.0f;
      for (int i = 0; i < kWarps; ++i) sum += of_warps[s][i][column];
      sums[(tile.stripe * kSums + s) * width + tile.first_column + column] = sum;
    }
  }
  __syncthreads();
}

/// Calls run(how many numbers of T a thread moves at once): as many as fill 16 bytes where every
/// row begins at a multiple of that.
template <typename T, typename Run>
void with_count(std::int64_t width, std::initializer_list<const void*> pointers, const Run& run) {
  constexpr int kMost = 16 / sizeof(T);
  bool is_aligned = width % kMost == 0;
  for (const void* pointer : pointers) {
    is_aligned = is_aligned && reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
  }
  if (is_aligned) {
    run(std::integral_constant<int, kMost>());
  } else {
    run(std::integral_constant<int, 1>());
  }
}

/// Launches kernel(arguments…) and returns CUDA's error code.
template <typename... Parameters, typename... Arguments>
int launch(void (*kernel)(Parameters...), std::int64_t blocks, void* stream,
           const Arguments&... arguments) {
  kernel<<<static_cast<unsigned>(blocks), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      arguments...);
  return cudaGetLastError();
}

}  // namespace sparse_transformer::row_kernels
