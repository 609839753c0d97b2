// The operations of rows.h on CUDA, in float32 arithmetic. Templates of `Thread`, what a thread of
// the device can do: CudaThread (runtime/cuda/thread.cuh), or the tests' emulated one.
//
// A thread moves kCount numbers at once: 16 bytes where widths and addresses are multiples of that,
// else one. Where sums over rows are formed, a block owns a stripe of rows, and what it found is
// summed over stripes later (rows_cuda.cpp): nothing is added by two blocks, so that results repeat
// bit for bit.
#pragma once

#include <cstdint>
#include <cstring>

#include "model/kernels/rows.h"
#include "model/kernels/rows_launch.h"
#include "runtime/philox.h"

namespace sparse_transformer::row_kernels {

constexpr int kLanes = 32, kThreads = 256, kWarps = kThreads / kLanes;

/// How numbers lie in words of 32 bits.
template <typename T>
struct Packed;
template <>
struct Packed<float> {
  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE static void unpack(Thread&, std::uint32_t word, float* x) {
    memcpy(x, &word, sizeof(word));
  }
  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE static std::uint32_t pack(Thread&, const float* x) {
    std::uint32_t word;
    memcpy(&word, x, sizeof(word));
    return word;
  }
};
template <HalfType kType>
struct Packed<HalfNumber<kType>> {
  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE static void unpack(Thread& thread, std::uint32_t word, float* x) {
    thread.template unpack<kType>(word, x[0], x[1]);
  }
  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE static std::uint32_t pack(Thread& thread, const float* x) {
    return thread.template pack<kType>(x[0], x[1]);
  }
};

template <typename Thread>
SPARSE_TRANSFORMER_DEVICE float number(Thread&, float x) {
  return x;
}
template <HalfType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE float number(Thread& thread, HalfNumber<kType> x) {
  float low, high;
  thread.template unpack<kType>(x.bits, low, high);
  return low;
}
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE void put(Thread&, float x, float* to) {
  *to = x;
}
template <HalfType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE void put(Thread& thread, float x, HalfNumber<kType>* to) {
  to->bits = static_cast<std::uint16_t>(thread.template pack<kType>(x, 0.0f));
}

constexpr int kWordsAtOnce = 4;

template <int kCount, typename T, typename Thread>
SPARSE_TRANSFORMER_DEVICE void load(Thread& thread, const T* from, float (&x)[kCount]) {
  if constexpr (kCount == 1) {
    x[0] = number(thread, *from);
  } else {
    constexpr int kEach = sizeof(std::uint32_t) / sizeof(T);
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kCount; i += kWordsAtOnce * kEach) {
      std::uint32_t words[kWordsAtOnce];
      thread.load(from + i, words);
      SPARSE_TRANSFORMER_UNROLL
      for (int w = 0; w < kWordsAtOnce; ++w) {
        Packed<T>::unpack(thread, words[w], x + i + w * kEach);
      }
    }
  }
}

template <int kCount, typename T, typename Thread>
SPARSE_TRANSFORMER_DEVICE void store(Thread& thread, const float (&x)[kCount], T* to) {
  if constexpr (kCount == 1) {
    put(thread, x[0], to);
  } else {
    constexpr int kEach = sizeof(std::uint32_t) / sizeof(T);
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kCount; i += kWordsAtOnce * kEach) {
      std::uint32_t words[kWordsAtOnce];
      SPARSE_TRANSFORMER_UNROLL
      for (int w = 0; w < kWordsAtOnce; ++w) words[w] = Packed<T>::pack(thread, x + i + w * kEach);
      thread.write(to + i, words);
    }
  }
}

/// What dropout multiplies numbers with, kCount from `column` of a row.
template <int kCount>
class Factors {
 public:
  SPARSE_TRANSFORMER_DEVICE explicit Factors(const RowMask& mask)
      : mask_(mask),
        factor_(static_cast<float>(mask.factor)),
        step_(mask.step_in_memory == nullptr ? mask.step
                                             : static_cast<std::uint32_t>(*mask.step_in_memory)) {}

  SPARSE_TRANSFORMER_DEVICE void form(std::int64_t row, std::int64_t width, std::int64_t column,
                                      float (&factors)[kCount]) const {
    const auto rows = static_cast<std::uint32_t>(mask_.sequence_rows);
    const std::uint32_t sequence = static_cast<std::uint32_t>(row) / rows;
    const std::int64_t first = (row - std::int64_t{sequence} * rows) * width + column;
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kCount; i += kBlock) {
      const PhiloxWords words =
          philox_words(mask_.seed, {{static_cast<std::uint32_t>((first + i) / kBlock), step_,
                                     mask_.first_sequence + sequence, mask_.site}});
      SPARSE_TRANSFORMER_UNROLL
      for (int j = 0; j < kBlock && j < kCount; ++j) {
        const std::uint32_t word = words.word[kCount == 1 ? first % kBlock : j];
        factors[i + j] = word >= mask_.threshold ? factor_ : 0.0f;
      }
    }
  }

 private:
  static constexpr int kBlock = 4;

  const RowMask& mask_;
  const float factor_;
  const std::uint32_t step_;
};

/// A block's part of a matrix where columns are independent: a stripe of rows, a tile of columns.
template <int kCount>
struct Tile {
  static constexpr int kColumns = kLanes * kCount;

  SPARSE_TRANSFORMER_ANYWHERE static std::int64_t tiles(std::int64_t width) {
    return (width + kColumns - 1) / kColumns;
  }
  SPARSE_TRANSFORMER_ANYWHERE static std::int64_t blocks(std::int64_t rows, std::int64_t width) {
    return stripes(rows) * tiles(width);
  }

  std::int64_t stripe, first_column;

  /// Calls visit(row, column) for this thread's numbers: kCount in a row, kWarps rows at a time.
  template <typename Thread, typename Visit>
  SPARSE_TRANSFORMER_DEVICE void for_each(Thread& thread, std::int64_t rows, std::int64_t width,
                                          const Visit& visit) const {
    const std::int64_t column = first_column + thread.lane() * kCount;
    if (column >= width) return;
    const std::int64_t first = stripe * kStripeRows, last = first + kStripeRows;
    const std::int64_t end = last < rows ? last : rows;
    for (std::int64_t row = first + thread.index() / kLanes; row < end; row += kWarps) {
      visit(row, column);
    }
  }
};

template <int kCount>
SPARSE_TRANSFORMER_DEVICE Tile<kCount> tile_of(std::int64_t block, std::int64_t width) {
  const std::int64_t tiles = Tile<kCount>::tiles(width);
  return {block / tiles, block % tiles * Tile<kCount>::kColumns};
}

/// Numbers of shared memory that sum_tile takes.
template <int kSums, int kCount>
constexpr int kSharedNumbers = kSums* kWarps* Tile<kCount>::kColumns;

/// Sums over the rows of a tile, visit(row, column, sums [kSums][kCount]) adding to them: into
/// sums [stripes, kSums, width].
template <int kSums, int kCount, typename Thread, typename Visit>
SPARSE_TRANSFORMER_DEVICE void sum_tile(Thread& thread, const Tile<kCount>& tile, std::int64_t rows,
                                        std::int64_t width, float* shared, float* sums,
                                        const Visit& visit) {
  constexpr int kColumns = Tile<kCount>::kColumns;
  float own[kSums][kCount] = {};
  tile.for_each(thread, rows, width,
                [&](std::int64_t row, std::int64_t column) { visit(row, column, own); });
  SPARSE_TRANSFORMER_UNROLL
  for (int s = 0; s < kSums; ++s) {
    float* const to = shared + (s * kWarps + thread.index() / kLanes) * kColumns;
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kCount; ++i) to[thread.lane() * kCount + i] = own[s][i];
  }
  thread.synchronize();
  const int column = thread.index();
  if (column < kColumns && tile.first_column + column < width) {
    SPARSE_TRANSFORMER_UNROLL
    for (int s = 0; s < kSums; ++s) {
      float sum = 0.0f;
      for (int warp = 0; warp < kWarps; ++warp) {
        sum += shared[(s * kWarps + warp) * kColumns + column];
      }
      sums[(tile.stripe * kSums + s) * width + tile.first_column + column] = sum;
    }
  }
  thread.synchronize();
}

template <typename Thread>
SPARSE_TRANSFORMER_DEVICE float sum_of_warp(Thread& thread, float x) {
  SPARSE_TRANSFORMER_UNROLL
  for (int bits = kLanes / 2; bits > 0; bits /= 2) x += thread.exchange(x, bits);
  return x;
}

/// Calls visit(column) for this thread's numbers of a warp's row, kCount at a time.
template <int kCount, typename Thread, typename Visit>
SPARSE_TRANSFORMER_DEVICE void for_each_of_row(Thread& thread, std::int64_t width,
                                               const Visit& visit) {
  for (std::int64_t column = thread.lane() * kCount; column < width; column += kLanes * kCount) {
    visit(column);
  }
}

SPARSE_TRANSFORMER_ANYWHERE std::int64_t norm_blocks(std::int64_t rows) {
  return (rows + kWarps - 1) / kWarps;
}

/// A warp has a row, which it reads three times: all but the first time from the cache.
template <int kCount, typename T, typename Thread>
SPARSE_TRANSFORMER_DEVICE void norm(Thread& thread, std::int64_t block,
                                    const NormRows<T, float>& work, std::int64_t rows) {
  const std::int64_t width = work.width;
  const std::int64_t row = block * kWarps + thread.index() / kLanes;
  if (row >= rows) return;
  const T* const x = work.x + row * width;
  float numbers[kCount];
  float sum = 0.0f;
  for_each_of_row<kCount>(thread, width, [&](std::int64_t column) {
    load<kCount>(thread, x + column, numbers);
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kCount; ++i) sum += numbers[i];
  });
  const float mean = sum_of_warp(thread, sum) / static_cast<float>(width);
  float squares = 0.0f;
  for_each_of_row<kCount>(thread, width, [&](std::int64_t column) {
    load<kCount>(thread, x + column, numbers);
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kCount; ++i) squares += (numbers[i] - mean) * (numbers[i] - mean);
  });
  const float variance = sum_of_warp(thread, squares) / static_cast<float>(width);
  const float reciprocal = thread.reciprocal_root(variance + work.epsilon);
  for_each_of_row<kCount>(thread, width, [&](std::int64_t column) {
    float gain[kCount], shift[kCount];
    load<kCount>(thread, x + column, numbers);
    load<kCount>(thread, work.gain + column, gain);
    load<kCount>(thread, work.shift + column, shift);
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kCount; ++i) {
      numbers[i] = (numbers[i] - mean) * reciprocal * gain[i] + shift[i];
    }
    store(thread, numbers, work.y + row * width + column);
  });
  if (thread.lane() == 0) {
    work.mean[row] = mean;
    work.reciprocal[row] = reciprocal;
  }
}

/// d_x of a warp's row. With z = (x - mean) · r and g = d_y · gain: d_x = d_other + r · (g - mean
/// of g - z · mean of g·z).
template <int kCount, typename T, typename Thread>
SPARSE_TRANSFORMER_DEVICE void norm_gradient_of_row(Thread& thread, std::int64_t row,
                                                    const NormRowsGradient<T, float>& work) {
  const std::int64_t width = work.width;
  const float mean = work.mean[row], reciprocal = work.reciprocal[row];
  float normal[kCount], g[kCount];
  const auto read = [&](std::int64_t column) {
    float gain[kCount];
    load<kCount>(thread, work.x + row * width + column, normal);
    load<kCount>(thread, work.d_y + row * width + column, g);
    load<kCount>(thread, work.gain + column, gain);
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kCount; ++i) {
      normal[i] = (normal[i] - mean) * reciprocal;
      g[i] *= gain[i];
    }
  };
  float sum = 0.0f, product = 0.0f;
  for_each_of_row<kCount>(thread, width, [&](std::int64_t column) {
    read(column);
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kCount; ++i) {
      sum += g[i];
      product += g[i] * normal[i];
    }
  });
  const float mean_g = sum_of_warp(thread, sum) / static_cast<float>(width);
  const float mean_product = sum_of_warp(thread, product) / static_cast<float>(width);
  for_each_of_row<kCount>(thread, width, [&](std::int64_t column) {
    float d_x[kCount];
    load<kCount>(thread, work.d_other + row * width + column, d_x);
    read(column);
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kCount; ++i) {
      d_x[i] += reciprocal * (g[i] - mean_g - normal[i] * mean_product);
    }
    store(thread, d_x, work.d_x + row * width + column);
  });
}

/// A block has a stripe: its rows, a warp each, then its columns, when what they read lies in the
/// cache. sums: [stripes, 2, width], of d_gain and of d_shift.
template <int kCount, typename T, typename Thread>
SPARSE_TRANSFORMER_DEVICE void norm_gradient(Thread& thread, std::int64_t block,
                                             const NormRowsGradient<T, float>& work,
                                             std::int64_t rows, float* shared, float* sums) {
  const std::int64_t width = work.width;
  for (int i = thread.index() / kLanes; i < kStripeRows; i += kWarps) {
    const std::int64_t row = block * kStripeRows + i;
    if (row < rows) norm_gradient_of_row<kCount>(thread, row, work);
  }
  for (std::int64_t first = 0; first < width; first += Tile<kCount>::kColumns) {
    sum_tile<2>(thread, Tile<kCount>{block, first}, rows, width, shared, sums,
                [&](std::int64_t row, std::int64_t column, float(&own)[2][kCount]) {
                  float x[kCount], d_y[kCount];
                  load<kCount>(thread, work.x + row * width + column, x);
                  load<kCount>(thread, work.d_y + row * width + column, d_y);
                  const float mean = work.mean[row], reciprocal = work.reciprocal[row];
                  SPARSE_TRANSFORMER_UNROLL
                  for (int i = 0; i < kCount; ++i) {
                    own[0][i] += d_y[i] * ((x[i] - mean) * reciprocal);
                    own[1][i] += d_y[i];
                  }
                });
  }
}

/// The numbers of x at (row, column), dropped; they are written to y, too.
template <int kCount, typename T, typename Thread>
SPARSE_TRANSFORMER_DEVICE void drop_numbers(Thread& thread, const DroppedRows<T>& work,
                                            const Factors<kCount>& mask, std::int64_t row,
                                            std::int64_t column, float (&numbers)[kCount]) {
  float factors[kCount];
  load<kCount>(thread, work.x + row * work.width + column, numbers);
  mask.form(row, work.width, column, factors);
  SPARSE_TRANSFORMER_UNROLL
  for (int i = 0; i < kCount; ++i) numbers[i] *= factors[i];
  store(thread, numbers, work.y + row * work.width + column);
}

template <int kCount, typename T, typename Thread>
SPARSE_TRANSFORMER_DEVICE void drop(Thread& thread, std::int64_t block, const DroppedRows<T>& work,
                                    std::int64_t rows) {
  const Factors<kCount> mask(work.mask);
  tile_of<kCount>(block, work.width)
      .for_each(thread, rows, work.width, [&](std::int64_t row, std::int64_t column) {
        float numbers[kCount];
        drop_numbers(thread, work, mask, row, column, numbers);
      });
}

/// sums: [stripes, 1, width], of what is written.
template <int kCount, typename T, typename Thread>
SPARSE_TRANSFORMER_DEVICE void drop_and_sum(Thread& thread, std::int64_t block,
                                            const DroppedRows<T>& work, std::int64_t rows,
                                            float* shared, float* sums) {
  const Factors<kCount> mask(work.mask);
  sum_tile<1>(thread, tile_of<kCount>(block, work.width), rows, work.width, shared, sums,
              [&](std::int64_t row, std::int64_t column, float(&own)[1][kCount]) {
                float numbers[kCount];
                drop_numbers(thread, work, mask, row, column, numbers);
                SPARSE_TRANSFORMER_UNROLL
                for (int i = 0; i < kCount; ++i) own[0][i] += numbers[i];
              });
}

template <int kCount, typename T, typename Thread>
SPARSE_TRANSFORMER_DEVICE void residual(Thread& thread, std::int64_t block,
                                        const ResidualRows<T, float>& work, std::int64_t rows) {
  const std::int64_t width = work.width;
  const Factors<kCount> mask(work.mask);
  tile_of<kCount>(block, width)
      .for_each(thread, rows, width, [&](std::int64_t row, std::int64_t column) {
        float sum[kCount], y[kCount], bias[kCount], factors[kCount];
        load<kCount>(thread, work.h + row * width + column, sum);
        load<kCount>(thread, work.y + row * width + column, y);
        load<kCount>(thread, work.bias + column, bias);
        if (work.mask.threshold != 0) mask.form(row, width, column, factors);
        SPARSE_TRANSFORMER_UNROLL
        for (int i = 0; i < kCount; ++i) {
          const float branch = y[i] + bias[i];
          sum[i] += work.mask.threshold == 0 ? branch : branch * factors[i];
        }
        store(thread, sum, work.out + row * width + column);
      });
}

constexpr float kSlope = 1.702f;

template <typename Thread>
SPARSE_TRANSFORMER_DEVICE float sigmoid(Thread& thread, float x) {
  constexpr float kLog2E = 1.4426950408889634f;
  return thread.reciprocal(1.0f + thread.exp2(-kLog2E * x));
}

/// f(u) = u · sigmoid(1.702 · u) (paper §5.2).
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE float gelu_of(Thread& thread, float u) {
  return u * sigmoid(thread, kSlope * u);
}

/// f'(u): with s = sigmoid(1.702 · u), s + 1.702 · u · s · (1 - s).
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE float gelu_slope(Thread& thread, float u) {
  const float s = sigmoid(thread, kSlope * u);
  return s + kSlope * u * s * (1.0f - s);
}

template <int kCount, typename T, typename Thread>
SPARSE_TRANSFORMER_DEVICE void gelu(Thread& thread, std::int64_t block,
                                    const GeluRows<T, float>& work, std::int64_t rows) {
  const std::int64_t width = work.width;
  tile_of<kCount>(block, width)
      .for_each(thread, rows, width, [&](std::int64_t row, std::int64_t column) {
        float x[kCount], bias[kCount];
        load<kCount>(thread, work.x + row * width + column, x);
        load<kCount>(thread, work.bias + column, bias);
        SPARSE_TRANSFORMER_UNROLL
        for (int i = 0; i < kCount; ++i) x[i] = gelu_of(thread, x[i] + bias[i]);
        store(thread, x, work.y + row * width + column);
      });
}

/// sums: [stripes, 1, width], of d_bias.
template <int kCount, typename T, typename Thread>
SPARSE_TRANSFORMER_DEVICE void gelu_gradient(Thread& thread, std::int64_t block,
                                             const GeluRowsGradient<T, float>& work,
                                             std::int64_t rows, float* shared, float* sums) {
  const std::int64_t width = work.width;
  sum_tile<1>(thread, tile_of<kCount>(block, width), rows, width, shared, sums,
              [&](std::int64_t row, std::int64_t column, float(&own)[1][kCount]) {
                float x[kCount], bias[kCount], d[kCount];
                load<kCount>(thread, work.x + row * width + column, x);
                load<kCount>(thread, work.bias + column, bias);
                load<kCount>(thread, work.d_y + row * width + column, d);
                SPARSE_TRANSFORMER_UNROLL
                for (int i = 0; i < kCount; ++i) {
                  d[i] *= gelu_slope(thread, x[i] + bias[i]);
                  own[0][i] += d[i];
                }
                store(thread, d, work.d_x + row * width + column);
              });
}

}  // namespace sparse_transformer::row_kernels
