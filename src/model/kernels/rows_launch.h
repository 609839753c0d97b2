// The CUDA kernels of rows.h (layer_norm.cu, residual.cu, gelu.cu), for the host. Matrices have
// `rows` rows of float, Bfloat16 or Float16. `stream` is a cudaStream_t; functions return CUDA's
// error codes, 0 for none.
#pragma once

#include "model/kernels/rows.h"

namespace sparse_transformer {

/// Rows whose sums a block forms: `sums` is [stripes, count, width].
inline constexpr std::int64_t kStripeRows = 32;
constexpr std::int64_t stripes(std::int64_t rows) { return (rows + kStripeRows - 1) / kStripeRows; }

template <typename T>
int launch_norm(const NormRows<T, float>& params, std::int64_t rows, void* stream);
/// sums: of d_gain and of d_shift.
template <typename T>
int launch_norm_gradient(const NormRowsGradient<T, float>& params, std::int64_t rows, float* sums,
                         void* stream);
template <typename T>
int launch_drop(const DroppedRows<T>& params, std::int64_t rows, void* stream);
/// sums: of what is written.
template <typename T>
int launch_drop_and_sum(const DroppedRows<T>& params, std::int64_t rows, float* sums, void* stream);
template <typename T>
int launch_residual(const ResidualRows<T, float>& params, std::int64_t rows, void* stream);
template <typename T>
int launch_gelu(const GeluRows<T, float>& params, std::int64_t rows, void* stream);
/// sums: of d_bias.
template <typename T>
int launch_gelu_gradient(const GeluRowsGradient<T, float>& params, std::int64_t rows, float* sums,
                         void* stream);

}  // namespace sparse_transformer
