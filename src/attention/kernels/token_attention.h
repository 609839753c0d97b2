// The attention of one token of every sequence on CUDA (token_attention.cu), for the host. `stream`
// is a cudaStream_t; returns CUDA's error code, 0 for none.
#pragma once

#include <cstdint>

namespace sparse_transformer {

constexpr int kMostTokenWidth = 128;   // of a query or a value
constexpr int kMostEntryNumbers = 64;  // of an entry of the table

/// The type of a cache's numbers.
enum class CacheType { kFloat32, kBfloat16, kFloat16 };

/// Tensors are dense. The kernel copies rows in pieces of 16 bytes of whatever type.
struct TokenAttentionParams {
  std::int32_t batch, heads;
  std::int32_t query_width, value_width;  // multiples of 8 up to kMostTokenWidth
  float scale;
  const void* packed;  // [batch, heads, 2·query_width + value_width]
  void* memory;        // [batch, layer_rows, query_width + value_width]
  std::int64_t layer_rows;
  void* out;  // [batch, heads, value_width]
  /// attention/token_table.h
  const std::int32_t* entries;
  const std::int64_t* head_places;
  std::int32_t places, runs, sets;
  const std::int64_t* position;  // whose table entries are used; on the device
};

/// Writes the token's key and value to their places in `memory`, then attends from its query to the
/// rows that the table names. A head without any key yields 0.
int launch_token_attention(const TokenAttentionParams& params, CacheType type, void* stream);

}  // namespace sparse_transformer
