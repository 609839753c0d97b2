// What one new token of a sequence needs on the CPU: products of few rows with a weight matrix, and
// the attention of one query over cached keys.
//
// Such products are as fast as weights can be read, so a matrix is packed to be read from its
// beginning to its end. No sum depends on how many rows there are: a sequence gets the same bits in
// any batch.
//
// The code is compiled once for each instruction set that a processor may have; this header must
// therefore stay free of functions.
#pragma once

#include <cstdint>

namespace sparse_transformer {

/// What becomes of a product: y = product, y = f(product) with the model's activation f(x) =
/// x·sigmoid(1.702·x) (paper §5.2), or y += product.
enum class After : std::uint8_t { kStore, kActivate, kAdd };

/// Outputs that are computed together: whole registers of every instruction set.
inline constexpr std::int64_t kPanel = 32;

/// x·weightᵀ + bias: x [rows, width], y [rows, outs]; weight [panels, width, kPanel], bias [panels,
/// kPanel], of which the last panel is filled up with zeros.
template <typename T>
struct TokenProduct {
  std::int64_t rows, width, outs;
  const T *x, *weight, *bias;
  T* y;
  After after;
};

/// Rows of a cache, a key beside its value: row i of a sequence is rows[sequence · sequence_stride
/// + i · stride].
template <typename T>
struct CachedRun {
  const T* rows;
  std::int64_t count, stride, sequence_stride;
};

/// What one head's query meets: all runs, in one softmax.
template <typename T>
struct CachedHead {
  std::int64_t query_width, value_width;
  T scale;
  const CachedRun<T>* runs;
  std::int64_t run_count;
};

template <typename T>
struct TokenKernels {
  /// The panels begin … end - 1 of all rows.
  void (*multiply)(const TokenProduct<T>& product, std::int64_t begin, std::int64_t end);
  /// out [value_width]; 0 where there is no key.
  void (*attend)(const CachedHead<T>& head, std::int64_t sequence, const T* query, T* out);
};

struct TokenInstructionSet {
  const char* name;
  TokenKernels<float> float32;
  TokenKernels<double> float64;
};

extern const TokenInstructionSet baseline_token;
extern const TokenInstructionSet avx2_token;
extern const TokenInstructionSet avx512_token;

}  // namespace sparse_transformer
