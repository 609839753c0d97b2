// Products on CUDA that end in the non-linearity or in its gradient, by kernels of our own
// (gelu_product.cu). In a build without a CUDA compiler nothing is served. Without autograd;
// results repeat bit for bit.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace sparse_transformer {

/// Whether activations x [..., in], expanded to `inner`, are served: in half precision, widths that
/// are multiples of 8, and so many rows that there is a tile for every part of a GPU.
bool gelu_product_serves(const at::Tensor& x, std::int64_t inner);

/// x: [rows, in]; weight: [inner, in] of the same type; bias: float32 [inner].
struct GeluOfProduct {
  at::Tensor product;  // x·weightᵀ [rows, inner]
  at::Tensor y;        // f(product + bias)
};
GeluOfProduct gelu_product_cuda(const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias);

/// Back from the product with another weight, [out, inner], of y: d_out [rows, out].
struct GeluOfProductGradient {
  at::Tensor product, bias;
};
GeluOfProductGradient gelu_product_gradient_cuda(const at::Tensor& d_out, const at::Tensor& weight,
                                                 const at::Tensor& product, const at::Tensor& bias);

}  // namespace sparse_transformer
