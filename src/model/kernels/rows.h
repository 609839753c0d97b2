// What a residual block does to each row of a [rows, width] matrix beside products: each a single
// pass over memory, sums over rows included. The numbers are T, those of vectors [width] and of
// statistics P.
//
// The CPU's code is compiled once for each instruction set that a processor may have; this header
// must therefore stay free of functions.
#pragma once

#include <cstdint>

#include "runtime/half.h"

namespace sparse_transformer {

/// Rows of a dense matrix: from `begin` up to, not including, `end`.
struct RowRange {
  std::int64_t begin, end;
};

/// y = (x - mean) · reciprocal · gain + shift, with mean and 1/√(variance + epsilon) of each row.
template <typename T, typename P = T>
struct NormRows {
  std::int64_t width;
  P epsilon;
  const T* x;             // [rows, width]
  const P *gain, *shift;  // [width]
  T* y;                   // [rows, width]
  P *mean, *reciprocal;   // [rows]
};

/// d_x = d_other + the gradient of NormRows: x is also passed on as it is, to where d_other comes
/// from.
template <typename T, typename P = T>
struct NormRowsGradient {
  std::int64_t width;
  const T* x;
  const P *gain, *mean, *reciprocal;
  const T *d_y, *d_other;  // [rows, width]
  T* d_x;
};

/// What dropout multiplies elements with: 0 where their random word is below the threshold, else
/// `factor`. The words of elements 4·i to 4·i + 3 of a sequence come from one call of Philox with
/// key `seed` and counter (i, step, first_sequence + sequence, site).
struct RowMask {
  std::uint64_t seed;
  std::uint32_t step, first_sequence, site;
  const std::int64_t* step_in_memory;  // if not null, instead of `step`, read when the kernel runs
  std::uint32_t threshold;             // 0: nothing is dropped
  double factor;
  std::int64_t sequence_rows;  // of a sequence
};

/// y = x, dropped.
template <typename T>
struct DroppedRows {
  std::int64_t width;
  const T* x;
  T* y;
  RowMask mask;
};

/// out = h + (y + bias), the sum in brackets dropped.
template <typename T, typename P = T>
struct ResidualRows {
  std::int64_t width;
  const T *h, *y;
  const P* bias;
  T* out;
  RowMask mask;
};

/// y = u · sigmoid(1.702 · u) (paper §5.2) of u = x + bias.
template <typename T, typename P = T>
struct GeluRows {
  std::int64_t width;
  const T* x;
  const P* bias;
  T* y;
};

template <typename T, typename P = T>
struct GeluRowsGradient {
  std::int64_t width;
  const T* x;
  const P* bias;
  const T* d_y;
  T* d_x;
};

/// Of those that take further pointers: what they add their sums over rows to, [width].
template <typename T, typename P = T>
struct RowKernels {
  void (*norm)(const NormRows<T, P>&, RowRange);
  void (*norm_gradient)(const NormRowsGradient<T, P>&, RowRange, P* d_gain, P* d_shift);
  void (*drop)(const DroppedRows<T>&, RowRange);
  void (*drop_and_sum)(const DroppedRows<T>&, RowRange, P* sums);  // those of what is written
  void (*residual)(const ResidualRows<T, P>&, RowRange);
  void (*gelu)(const GeluRows<T, P>&, RowRange);
  void (*gelu_gradient)(const GeluRowsGradient<T, P>&, RowRange, P* d_bias);
};

struct RowInstructionSet {
  const char* name;
  RowKernels<float> float32;
  RowKernels<double> float64;
  RowKernels<Bfloat16, float> bfloat16;
};

extern const RowInstructionSet baseline_rows;
extern const RowInstructionSet avx2_rows;
extern const RowInstructionSet avx512_rows;

}  // namespace sparse_transformer
