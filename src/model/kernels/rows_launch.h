// The CUDA kernels of rows.cuh as functions of the host, of matrices of float or HalfNumber with so
// many rows. `stream` is a cudaStream_t; errors are CUDA's codes, 0 is none.
#pragma once

#include "model/kernels/rows.h"
#include "runtime/cuda/device_code.h"

namespace sparse_transformer {

/// Sums over rows are formed in stripes of so many: `sums` is [stripes, count, width].
inline constexpr std::int64_t kStripeRows = 32;
SPARSE_TRANSFORMER_ANYWHERE std::int64_t stripes(std::int64_t rows) {
  return (rows + kStripeRows - 1) / kStripeRows;
}

template <typename T>
int launch_norm(const NormRows<T, float>& work, std::int64_t rows, void* stream);
/// sums: of d_gain and of d_shift.
template <typename T>
int launch_norm_gradient(const NormRowsGradient<T, float>& work, std::int64_t rows, float* sums,
                         void* stream);
template <typename T>
int launch_drop(const DroppedRows<T>& work, std::int64_t rows, void* stream);
/// sums: of what is written.
template <typename T>
int launch_drop_and_sum(const DroppedRows<T>& work, std::int64_t rows, float* sums, void* stream);
template <typename T>
int launch_residual(const ResidualRows<T, float>& work, std::int64_t rows, void* stream);
template <typename T>
int launch_gelu(const GeluRows<T, float>& work, std::int64_t rows, void* stream);
/// sums: of d_bias.
template <typename T>
int launch_gelu_gradient(const GeluRowsGradient<T, float>& work, std::int64_t rows, float* sums,
                         void* stream);

}  // namespace sparse_transformer
