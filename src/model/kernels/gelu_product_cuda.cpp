#include "model/kernels/gelu_product_cuda.h"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>

#include "model/kernels/gelu_product.h"
#include "runtime/cuda/call.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kChunk = 8;  // numbers that are moved at once
constexpr std::int64_t kFewestRows = 1024;

/// In memory as the kernels read it: without gaps, from an address of 16 bytes.
at::Tensor dense(const at::Tensor& x) {
  const at::Tensor y = x.contiguous();
  return reinterpret_cast<std::uintptr_t>(y.const_data_ptr()) % 16 == 0 ? y : y.clone();
}

const std::uint16_t* in(const at::Tensor& x) {
  return static_cast<const std::uint16_t*>(x.const_data_ptr());
}
std::uint16_t* out(const at::Tensor& x) {
  return static_cast<std::uint16_t*>(x.mutable_data_ptr());
}

void check(int code) { check_launch(code, "the feed-forward part"); }

}  // namespace

bool gelu_product_serves(const at::Tensor& x, std::int64_t inner) {
  return has_kernels_for(x.device()) && at::isReducedFloatingType(x.scalar_type()) &&
         x.size(-1) % kChunk == 0 && inner % kChunk == 0 && x.numel() >= kFewestRows * x.size(-1);
}

GeluOfProduct gelu_product_cuda(const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias) {
  const c10::cuda::CUDAGuard device(x.device());
  const at::Tensor a = dense(x), b = dense(weight), shift = dense(bias);
  const at::Tensor product = at::empty({x.size(0), weight.size(0)}, x.options());
  GeluOfProduct result = {product, at::empty_like(product)};
  const GeluProductParams params = {.rows = x.size(0),
                                    .columns = weight.size(0),
                                    .depth = x.size(1),
                                    .a = in(a),
                                    .b = in(b),
                                    .bias = shift.const_data_ptr<float>(),
                                    .pre = out(result.product),
                                    .out = out(result.y)};
  check(launch_gelu_product(params, half_type(x), current_cuda_stream()));
  return result;
}

GeluOfProductGradient gelu_product_gradient_cuda(const at::Tensor& d_out, const at::Tensor& weight,
                                                 const at::Tensor& product,
                                                 const at::Tensor& bias) {
  const c10::cuda::CUDAGuard device(d_out.device());
  const at::Tensor a = dense(d_out), b = dense(weight), shift = dense(bias);
  const at::Tensor d_product = at::empty_like(product);
  const at::Tensor sums =
      at::empty({product_stripes(product.size(0)), product.size(1)}, bias.options());
  const GeluProductParams params = {.rows = product.size(0),
                                    .columns = product.size(1),
                                    .depth = d_out.size(1),
                                    .a = in(a),
                                    .b = in(b),
                                    .bias = shift.const_data_ptr<float>(),
                                    .pre = out(product),
                                    .out = out(d_product)};
  check(launch_gelu_product_gradient(params, half_type(d_out), sums.mutable_data_ptr<float>(),
                                     current_cuda_stream()));
  return {d_product, sums.sum(0)};
}

}  // namespace sparse_transformer
