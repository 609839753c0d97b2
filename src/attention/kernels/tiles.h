// Banded attention of one head on the CPU, in tiles that stay in the first levels of cache.
//
// A block of kBlockQueries queries meets one tile of kTileKeys keys after the other: scores,
// running softmax, weighted values (Milakov & Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022,
// arXiv:2205.14135). Scores lie key by key, a vector register holding one key's scores with
// neighbouring queries, so that the softmax over keys never reduces across a register. Only keys
// inside the band are multiplied, to within a register's width.
//
// The code is compiled once for each instruction set that a processor may have; this header must
// therefore stay free of functions.
#pragma once

#include <cstdint>

namespace sparse_transformer {

/// Element (i, c) is data[i · stride + c].
template <typename T>
struct HeadRows {
  const T* data;
  std::int64_t stride;
};

/// Query i sees the keys j with i - left <= j <= i + right.
template <typename T>
struct BandedHead {
  std::int64_t queries, keys, query_width, value_width;
  std::int64_t left, right;
  T scale;
  HeadRows<T> query, key, value;
};

/// What the backward pass of a head starts from; lse = +inf cancels a query.
template <typename T>
struct BandedHeadResult {
  HeadRows<T> d_out, out, lse;
};

/// Dense rows of each tensor's width; d_key and d_value are added to.
template <typename T>
struct BandedHeadGradients {
  T *d_query, *d_key, *d_value;
};

inline constexpr std::int64_t kBlockQueries = 48;
inline constexpr std::int64_t kTileKeys = 48;

template <typename T>
struct BandedTiles {
  /// Numbers of type T that one call of the functions below works in.
  std::int64_t (*scratch_size)(std::int64_t query_width, std::int64_t value_width);
  /// out [count, value_width] and lse [count] of the queries first … first + count - 1, at most
  /// kBlockQueries. A query without any key gets 0 and -inf.
  void (*forward)(const BandedHead<T>& head, std::int64_t first, std::int64_t count, T* out, T* lse,
                  T* scratch);
  /// The whole head: its keys' gradients are sums over its blocks, in their order.
  void (*backward)(const BandedHead<T>& head, const BandedHeadResult<T>& result,
                   const BandedHeadGradients<T>& gradients, T* scratch);
};

struct InstructionSet {
  const char* name;
  BandedTiles<float> float32;
  BandedTiles<double> float64;
};

extern const InstructionSet baseline_instructions;
#if defined(__x86_64__)
extern const InstructionSet avx2_instructions;
extern const InstructionSet avx512_instructions;
#endif

}  // namespace sparse_transformer
