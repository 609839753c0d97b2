// What the CUDA kernels of embedding.cuh are told. Their rows are those of all tables, one after
// the other: the 256 tokens, those of the position tables, the start vector.
#pragma once

#include <cstdint>

#include "runtime/cuda/device_code.h"

namespace sparse_transformer {

struct EmbeddingSizes {
  static constexpr int kMostAxes = 3;
  static constexpr int kTokens = 256;

  std::int32_t batch;
  std::int32_t length;  // of the sequences
  std::int32_t padded;  // of their embeddings: zeros from `length` on
  std::int32_t width;
  std::int32_t axes;
  std::int32_t size[kMostAxes];    // rows of each axis's table
  std::int32_t stride[kMostAxes];  // positions from one of its rows to the next

  /// The row of an axis's table for a position, as position t - 1 of the sequence is read at t.
  SPARSE_TRANSFORMER_ANYWHERE std::int32_t place(int axis, std::int32_t position) const {
    return position / stride[axis] % size[axis];
  }
  SPARSE_TRANSFORMER_ANYWHERE std::int32_t rows() const {
    std::int32_t sum = kTokens + 1;
    for (int axis = 0; axis < axes; ++axis) sum += size[axis];
    return sum;
  }
};

/// How activations are stored.
enum class ActivationType { kFloat32, kBfloat16, kFloat16 };

struct EmbeddingTables {
  const float* token;                                // [256, width]
  const float* position[EmbeddingSizes::kMostAxes];  // [size, width]
  const float* start;                                // [width]
};

/// The gradients of all rows come first as those of each of some stretches of positions, which are
/// to be added up: so there is work for all of a GPU, and sums have one order.
struct EmbeddingStretches {
  static constexpr std::int32_t kLeast = 256;  // positions
  static constexpr std::int32_t kMost = 16;    // stretches

  std::int32_t count, positions;

  explicit EmbeddingStretches(std::int32_t length) {
    positions = (length + kMost - 1) / kMost;
    if (positions < kLeast) positions = kLeast;
    count = (length + positions - 1) / positions;
  }
};

}  // namespace sparse_transformer
