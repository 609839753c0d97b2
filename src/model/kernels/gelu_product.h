// Products that end in the non-linearity of the feed-forward part, on CUDA (gelu_product.cu), for
// the host. `stream` is a cudaStream_t; functions return CUDA's error codes, 0 for none.
#pragma once

#include <cstdint>

#include "runtime/half.h"

namespace sparse_transformer {

/// Half-precision matrices a [rows, depth] and b, dense; `columns` and `depth` are multiples of 8,
/// addresses of 16 bytes.
struct GeluProductParams {
  std::int64_t rows, columns, depth;
  const std::uint16_t *a, *b;
  const float* bias;   // [columns]
  std::uint16_t* pre;  // [rows, columns], before the bias
  std::uint16_t* out;  // [rows, columns]
};

/// Rows whose sums are formed together: `sums` is [product_stripes(rows), columns].
inline constexpr std::int64_t kProductStripeRows = 64;
constexpr std::int64_t product_stripes(std::int64_t rows) {
  return (rows + kProductStripeRows - 1) / kProductStripeRows;
}

/// pre = a·bᵀ, out = f(pre + bias), f(u) = u·sigmoid(1.702·u) (paper §5.2); b: [columns, depth].
int launch_gelu_product(const GeluProductParams& params, HalfType type, void* stream);

/// out = (a·b) · f'(pre + bias) with `pre` as launch_gelu_product left it; b: [depth, columns].
/// sums: of what is written, over stripes of rows, before it is rounded.
int launch_gelu_product_gradient(const GeluProductParams& params, HalfType type, float* sums,
                                 void* stream);

}  // namespace sparse_transformer
