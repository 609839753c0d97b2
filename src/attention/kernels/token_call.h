// The attention of one token of every sequence as the CUDA kernel takes it. Plain data, known to
// nvcc, to the host compiler and to the tests' emulator alike.
#pragma once

#include <cstdint>

#include "runtime/cuda/device_code.h"

namespace sparse_transformer {

constexpr int kMostTokenWidth = 128;   // of a query or a value
constexpr int kMostEntryNumbers = 64;  // of an entry of the table

/// The numbers of a cache.
enum class CacheType { kFloat32, kBfloat16, kFloat16 };

/// Memory is counted in pieces of 16 bytes, whose numbers no thread has to know to copy them; all
/// tensors are dense. Half-precision or float32, the numbers are behind pointers to 16 bits.
struct TokenCall {
  std::int32_t batch, heads;
  std::int32_t query_width, value_width;  // multiples of 8 up to kMostTokenWidth
  float scale;
  const std::uint16_t* packed;  // [batch, heads, 2·query_width + value_width]
  std::uint16_t* memory;        // [batch, layer_rows, query_width + value_width]
  std::int64_t layer_rows;
  std::uint16_t* out;  // [batch, heads, value_width]
  /// attention/token_table.h
  const std::int32_t* entries;
  const std::int64_t* head_places;
  std::int32_t places, runs, sets;
  const std::int64_t* position;  // whose table entries are used
};

}  // namespace sparse_transformer
