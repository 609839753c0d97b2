// What a residual block does to each row of a [rows, width] matrix beside products, on the CPU:
// each a single pass over memory, sums over rows included.
//
// The code is compiled once for each instruction set that a processor may have; this header must
// therefore stay free of functions.
#pragma once

#include <cstdint>

namespace sparse_transformer {

/// Rows of a dense matrix: from `begin` up to, not including, `end`.
struct RowRange {
  std::int64_t begin, end;
};

/// y = (x - mean) · reciprocal · gain + shift, with mean and 1/√(variance + epsilon) of each row.
template <typename T>
struct NormRows {
  std::int64_t width;
  T epsilon;
  const T *x, *gain, *shift;  // [rows, width], [width], [width]
  T *y, *mean, *reciprocal;   // [rows, width], [rows], [rows]
};

/// d_x = d_other + the gradient of NormRows: x is also passed on as it is, to where d_other comes
/// from.
template <typename T>
struct NormRowsGradient {
  std::int64_t width;
  const T *x, *gain, *mean, *reciprocal;
  const T *d_y, *d_other;  // [rows, width]
  T* d_x;
};

/// out = h + y + bias.
template <typename T>
struct ResidualRows {
  std::int64_t width;
  const T *h, *y, *bias;
  T* out;
};

/// y = u · sigmoid(1.702 · u) (paper §5.2) of u = x + bias.
template <typename T>
struct GeluRows {
  std::int64_t width;
  const T *x, *bias;
  T* y;
};

template <typename T>
struct GeluRowsGradient {
  std::int64_t width;
  const T *x, *bias, *d_y;
  T* d_x;
};

/// Of those that take further pointers: what they add their sums over rows to, [width].
template <typename T>
struct RowKernels {
  void (*norm)(const NormRows<T>&, RowRange);
  void (*norm_gradient)(const NormRowsGradient<T>&, RowRange, T* d_gain, T* d_shift);
  void (*residual)(const ResidualRows<T>&, RowRange);
  void (*gelu)(const GeluRows<T>&, RowRange);
  void (*gelu_gradient)(const GeluRowsGradient<T>&, RowRange, T* d_bias);
};

struct RowInstructionSet {
  const char* name;
  RowKernels<float> float32;
  RowKernels<double> float64;
};

extern const RowInstructionSet baseline_rows;
extern const RowInstructionSet avx2_rows;
extern const RowInstructionSet avx512_rows;

}  // namespace sparse_transformer
