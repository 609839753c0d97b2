// In place of gelu_product_cuda.cpp where there is no CUDA compiler.
#include <stdexcept>

#include "model/kernels/gelu_product_cuda.h"

namespace sparse_transformer {

bool gelu_product_serves(const at::Tensor& /*x*/, std::int64_t /*inner*/) { return false; }

GeluOfProduct gelu_product_cuda(const at::Tensor& /*x*/, const at::Tensor& /*weight*/,
                                const at::Tensor& /*bias*/) {
  throw std::logic_error("gelu_product_cuda: not in this build");
}

GeluOfProductGradient gelu_product_gradient_cuda(const at::Tensor& /*d_out*/,
                                                 const at::Tensor& /*weight*/,
                                                 const at::Tensor& /*product*/,
                                                 const at::Tensor& /*bias*/) {
  throw std::logic_error("gelu_product_gradient_cuda: not in this build");
}

}  // namespace sparse_transformer
