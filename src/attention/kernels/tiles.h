// Banded attention of one head on the CPU, in tiles that stay in the first levels of cache.
//
// A block of kBlockQueries queries meets one tile of kTileKeys keys after the other: scores,
// running softmax, weighted values (Milakov & Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022,
// arXiv:2205.14135). The blocks of a round meet a tile together, so that it is fetched once for
// all. Scores lie key by key, a vector register holding one key's scores with
// neighbouring queries, so that the softmax over keys never reduces across a register. Only keys
// inside the band are multiplied, to within a register's width.
//
// The code is compiled once for each instruction set that a processor may have; this header must
// therefore stay free of functions.
#pragma once

#include <cstdint>

#include "runtime/half.h"

namespace sparse_transformer {

/// Element (i, c) is data[i · stride + c]; Number may be const.
template <typename Number>
struct HeadRows {
  Number* data;
  std::int64_t stride;
};

/// Query i sees the keys j with i - left <= j <= i + right. What comes from outside are numbers of
/// type Number, sums of type T.
template <typename Number, typename T = Number>
struct BandedHead {
  std::int64_t queries, keys, query_width, value_width;
  std::int64_t left, right;
  T scale;  // above 0
  HeadRows<const Number> query, key, value;
};

/// The attention of a head's queries to the keys so far: out [queries, value_width], lse [queries,
/// 1]. What queries without any key hold is 0 and -inf.
template <typename T>
struct BandedHeadSum {
  HeadRows<T> out, lse;
  bool is_begun;  // otherwise there is no key so far, and what is there is replaced
};

/// What the backward pass of a head starts from; lse = +inf cancels a query.
template <typename Number, typename T = Number>
struct BandedHeadResult {
  HeadRows<const Number> d_out, out;
  HeadRows<const T> lse;
};

/// Added to, but for what holds nothing yet, which is replaced: in a round its queries, where
/// `queries_are_new`, and the keys from `first_new_key` on.
template <typename T>
struct BandedHeadGradients {
  HeadRows<T> d_query, d_key, d_value;
  bool queries_are_new;
  std::int64_t first_new_key;
};

inline constexpr std::int64_t kBlockQueries = 96;
inline constexpr std::int64_t kTileKeys = 96;
inline constexpr std::int64_t kRoundQueries = 4 * kBlockQueries;

template <typename Number, typename T = Number>
struct BandedTiles {
  /// Numbers of type T that one call of the functions below works in.
  std::int64_t (*scratch_size)(std::int64_t query_width, std::int64_t value_width);
  /// Adds the keys to the attention of a round of queries: first … end - 1, at most kRoundQueries.
  void (*forward)(const BandedHead<Number, T>& head, const BandedHeadSum<T>& sum,
                  std::int64_t first, std::int64_t end, T* scratch);
  /// The share that a round of queries has in the gradients: theirs, and those of all the keys
  /// first - left … end - 1 + right.
  void (*backward)(const BandedHead<Number, T>& head, const BandedHeadResult<Number, T>& result,
                   const BandedHeadGradients<T>& gradients, std::int64_t first, std::int64_t end,
                   T* scratch);
};

struct InstructionSet {
  const char* name;
  BandedTiles<float> float32;
  BandedTiles<double> float64;
  BandedTiles<Bfloat16, float> bfloat16;  // products of bfloat16 where the set has them
};

extern const InstructionSet baseline_instructions;
extern const InstructionSet avx2_instructions;
extern const InstructionSet avx512_instructions;
extern const InstructionSet avx512_bf16_instructions;  // of x86-64 alone

}  // namespace sparse_transformer
