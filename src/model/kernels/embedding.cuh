// The embedding of sequences and its gradient on CUDA, each in one pass. Templates of `Thread`:
// CudaThread, or the tests' emulated one.
//
// Forwards a warp owns a position. Backwards a block owns a row of some table in some columns and
// looks for the positions that read it: there is nothing to sort, and no two blocks add to one
// number. What is looked at, a byte a token and an index a position, is little beside the gradient,
// of which each number is read once a table.
#pragma once

#include <cstdint>

#include "model/kernels/embedding_work.h"

namespace sparse_transformer::embedding_kernels {

constexpr int kLanes = 32;
constexpr int kEach = 4;  // columns of a thread
constexpr int kColumns = kLanes * kEach;

/// Numbers as they are stored.
template <ActivationType kType>
struct Stored {
  static constexpr HalfType kHalf =
      kType == ActivationType::kBfloat16 ? HalfType::kBfloat16 : HalfType::kFloat16;
  using Type = std::uint16_t;
  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE static float read(Thread& thread, Type number) {
    float low, high;
    thread.template unpack<kHalf>(number, low, high);
    return low;
  }
  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE static Type write(Thread& thread, float number) {
    return static_cast<Type>(thread.template pack<kHalf>(number, 0.0f));
  }
};
template <>
struct Stored<ActivationType::kFloat32> {
  using Type = float;
  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE static float read(Thread&, float number) {
    return number;
  }
  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE static float write(Thread&, float number) {
    return number;
  }
};

/// Blocks of so many threads for a pass forwards.
SPARSE_TRANSFORMER_ANYWHERE std::int64_t forward_blocks(const EmbeddingSizes& sizes, int threads) {
  const int warps = threads / kLanes;
  return (std::int64_t{sizes.batch} * sizes.padded + warps - 1) / warps;
}

template <ActivationType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE void forward(Thread& thread, std::int64_t block,
                                       const EmbeddingSizes& sizes, const EmbeddingTables& tables,
                                       const std::uint8_t* tokens,
                                       typename Stored<kType>::Type* out) {
  const std::int64_t width = sizes.width;
  const std::int64_t row = (block * thread.count() + thread.index()) / kLanes;
  const std::int64_t sequence = row / sizes.padded;
  const auto t = static_cast<std::int32_t>(row % sizes.padded);
  if (sequence >= sizes.batch) return;
  const float* rows[1 + EmbeddingSizes::kMostAxes] = {};
  int count = 0;
  if (t == 0) {
    rows[0] = tables.start;
    count = 1;
  } else if (t < sizes.length) {
    rows[0] = tables.token + tokens[sequence * sizes.length + t - 1] * width;
    SPARSE_TRANSFORMER_UNROLL
    for (int axis = 0; axis < EmbeddingSizes::kMostAxes; ++axis) {
      if (axis < sizes.axes) {
        rows[1 + axis] = tables.position[axis] + sizes.place(axis, t - 1) * width;
      }
    }
    count = 1 + sizes.axes;
  }
  for (int column = thread.lane(); column < width; column += kLanes) {
    float sum = 0.0f;
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i <= EmbeddingSizes::kMostAxes; ++i) {
      if (i < count) sum += rows[i][column];
    }
    out[row * width + column] = Stored<kType>::write(thread, sum);
  }
}

/// A row of a table, as the numbers of embedding_work.h name it.
struct TableRow {
  SPARSE_TRANSFORMER_DEVICE TableRow(const EmbeddingSizes& sizes, std::int32_t number)
      : place(number) {
    if (place < EmbeddingSizes::kTokens) return;
    place -= EmbeddingSizes::kTokens;
    for (axis = 0; axis < sizes.axes && place >= sizes.size[axis]; ++axis) {
      place -= sizes.size[axis];
    }
  }
  SPARSE_TRANSFORMER_DEVICE bool is_token() const { return axis < 0; }

  /// Whether position t of a sequence, which is within its length, reads it; `tokens`: the
  /// sequence's.
  SPARSE_TRANSFORMER_DEVICE bool is_read_at(std::int32_t t, const EmbeddingSizes& sizes,
                                            const std::uint8_t* tokens) const {
    if (axis == sizes.axes || t == 0) return axis == sizes.axes && t == 0;
    return (is_token() ? tokens[t - 1] : sizes.place(axis, t - 1)) == place;
  }

  int axis = -1;       // `axes`: the start vector
  std::int32_t place;  // in its table
};

/// Calls visit(row of d_out) for what this warp has of the positions that read a row: of the
/// stretch's groups of 32 positions each warp has its turn. Which positions read a row of any other
/// table than the tokens' is the same for all sequences.
template <typename Thread, typename Visit>
SPARSE_TRANSFORMER_DEVICE void visit_readers(Thread& thread, const TableRow& row,
                                             const EmbeddingSizes& sizes, std::int32_t first,
                                             std::int32_t end, const std::uint8_t* tokens,
                                             const Visit& visit) {
  const std::int32_t looked_at = row.is_token() ? sizes.batch : 1;
  const std::int32_t alike = row.is_token() ? 1 : sizes.batch;
  for (std::int32_t group = first + thread.index() / kLanes * kLanes; group < end;
       group += thread.count()) {
    const std::int32_t t = group + thread.lane();
    for (std::int32_t sequence = 0; sequence < looked_at; ++sequence) {
      const bool reads =
          t < end && row.is_read_at(t, sizes, tokens + std::int64_t{sequence} * sizes.length);
      for (std::uint32_t left = thread.ballot(reads); left != 0; left &= left - 1) {
        const std::int32_t reader = group + thread.lowest_bit(left);
        for (std::int32_t i = sequence; i < sequence + alike; ++i) {
          visit(std::int64_t{i} * sizes.padded + reader);
        }
      }
    }
  }
}

/// Blocks of a pass backwards.
SPARSE_TRANSFORMER_ANYWHERE std::int64_t backward_blocks(const EmbeddingSizes& sizes,
                                                         const EmbeddingStretches& stretches) {
  const std::int64_t tiles = (sizes.width + kColumns - 1) / kColumns;
  return tiles * sizes.rows() * stretches.count;
}

/// Bytes of shared memory that a block backwards takes.
SPARSE_TRANSFORMER_ANYWHERE constexpr int backward_bytes(int threads) {
  return threads / kLanes * kColumns * static_cast<int>(sizeof(float));
}

template <ActivationType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE void backward(Thread& thread, std::int64_t block,
                                        const EmbeddingSizes& sizes,
                                        const EmbeddingStretches& stretches,
                                        const std::uint8_t* tokens,
                                        const typename Stored<kType>::Type* d_out, float* sums,
                                        float* shared) {
  const std::int64_t width = sizes.width;
  const std::int32_t tiles = (sizes.width + kColumns - 1) / kColumns;
  const auto first_column = static_cast<std::int32_t>(block % tiles) * kColumns;
  const std::int64_t number = block / tiles;  // of the stretch and the row
  const TableRow row(sizes, static_cast<std::int32_t>(number % sizes.rows()));
  const auto first = static_cast<std::int32_t>(number / sizes.rows()) * stretches.positions;
  const std::int32_t last = first + stretches.positions;
  const std::int32_t end = last < sizes.length ? last : sizes.length;

  float sum[kEach] = {};
  visit_readers(thread, row, sizes, first, end, tokens, [&](std::int64_t reader) {
    SPARSE_TRANSFORMER_UNROLL
    for (int i = 0; i < kEach; ++i) {
      const std::int32_t column = first_column + thread.lane() + kLanes * i;
      if (column < width) sum[i] += Stored<kType>::read(thread, d_out[reader * width + column]);
    }
  });
  SPARSE_TRANSFORMER_UNROLL
  for (int i = 0; i < kEach; ++i) {
    shared[thread.index() / kLanes * kColumns + thread.lane() + kLanes * i] = sum[i];
  }
  thread.synchronize();
  for (int column = thread.index(); column < kColumns && first_column + column < width;
       column += thread.count()) {
    float total = 0.0f;
    for (int warp = 0; warp < thread.count() / kLanes; ++warp) {
      total += shared[warp * kColumns + column];
    }
    sums[number * width + first_column + column] = total;
  }
}

}  // namespace sparse_transformer::embedding_kernels
