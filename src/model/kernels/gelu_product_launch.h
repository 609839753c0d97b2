// The CUDA kernels of gelu_product.cuh as functions of the host. `stream` is a cudaStream_t; errors
// are CUDA's codes, 0 is none.
#pragma once

#include <cstdint>

#include "runtime/cuda/device_code.h"

namespace sparse_transformer {

/// A product of half-precision matrices a [rows, depth] and b, and what is done to it, rounded,
/// before it is in memory. `columns` and `depth` are multiples of 8, addresses of 16 bytes.
struct GeluProduct {
  std::int64_t rows, columns, depth;
  const std::uint16_t *a, *b;
  const float* bias;   // [columns]
  std::uint16_t* pre;  // [rows, columns], in front of the bias
  std::uint16_t* out;  // [rows, columns]
};

/// Sums over rows are formed in stripes of so many: `sums` is [stripes, columns].
inline constexpr std::int64_t kProductStripeRows = 64;
SPARSE_TRANSFORMER_ANYWHERE std::int64_t product_stripes(std::int64_t rows) {
  return (rows + kProductStripeRows - 1) / kProductStripeRows;
}

/// pre = a·bᵀ, out = f(pre + bias), f(u) = u·sigmoid(1.702·u) (paper §5.2); b [columns, depth].
int launch_gelu_product(const GeluProduct& work, HalfType type, void* stream);

/// out = (a·b) · f'(pre + bias), pre as the former left it, b [depth, columns]; sums: of what is
/// written, before it is rounded.
int launch_gelu_product_gradient(const GeluProduct& work, HalfType type, float* sums, void* stream);

}  // namespace sparse_transformer
