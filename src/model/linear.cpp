#include "model/linear.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "runtime/device.h"

namespace sparse_transformer {
namespace {

at::Tensor scaled(const at::Tensor& weight, double factor, at::ScalarType type) {
  return (factor == 1.0 ? weight : weight * factor).to(type);
}

class Product : public torch::autograd::Function<Product> {
 public:
  /// `weight` and `bias` are those of `linear`: autograd sees tensors only.
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                            const Linear& linear, const LinearFactors& factors) {
    const at::ScalarType type = product_type(x.device(), x.scalar_type());
    const at::Tensor matrix =
        factors.weight == 1.0 ? rounded_for(type, weight, linear.rounded) : weight;
    context->save_for_backward({x, matrix});
    context->saved_data["weight_type"] = weight.scalar_type();
    context->saved_data["weight_factor"] = factors.weight;
    context->saved_data["bias_factor"] = factors.bias;
    context->saved_data["has_bias"] = bias.has_value();
    std::optional<at::Tensor> added;
    if (bias) {
      const at::Tensor its =
          factors.bias == 1.0 ? rounded_for(type, *bias, linear.rounded_bias) : *bias;
      added = scaled(its, factors.bias, type);
    }
    return at::linear(x.to(type), scaled(matrix, factors.weight, type), added).to(x.scalar_type());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& d_out) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& matrix = saved[1];
    const at::ScalarType weight_type = context->saved_data["weight_type"].toScalarType();
    const double weight_factor = context->saved_data["weight_factor"].toDouble();
    const at::ScalarType type = product_type(x.device(), x.scalar_type());
    const at::Tensor d_y = d_out[0].reshape({-1, matrix.size(0)});
    const at::Tensor d_rows = d_y.to(type);
    const at::Tensor rows = x.reshape({-1, matrix.size(1)}).to(type);
    const at::Tensor d_x = at::mm(d_rows, scaled(matrix, weight_factor, type));
    const at::Tensor d_weight = weight_gradient(d_rows, rows, weight_type);
    at::Tensor d_bias;
    if (context->saved_data["has_bias"].toBool()) {
      d_bias = scaled(d_y.sum(0, /*keepdim=*/false, weight_type),
                      context->saved_data["bias_factor"].toDouble(), weight_type);
    }
    return {d_x.to(x.scalar_type()).view_as(x),
            scaled(d_weight, weight_factor, weight_type),
            d_bias,
            {},
            {}};
  }
};

}  // namespace

at::ScalarType product_type(c10::Device device, at::ScalarType type) {
  const bool is_widened = type == at::kHalf || (type == at::kBFloat16 && !multiplies_bfloat16());
  return device.is_cpu() && is_widened ? at::kFloat : type;
}

at::Tensor rounded_for(at::ScalarType type, const at::Tensor& x, const at::Tensor& rounded) {
  return rounded.defined() && rounded.scalar_type() == type ? rounded : x;
}

at::Tensor apply(const Linear& linear, const at::Tensor& x, LinearFactors factors) {
  const auto bias = linear.bias.defined() ? std::optional(linear.bias) : std::nullopt;
  return Product::apply(x, linear.weight, bias, linear, factors);
}

at::Tensor weight_gradient(const at::Tensor& d_y, const at::Tensor& x, at::ScalarType type) {
  const bool is_widened = x.is_cuda() && at::isReducedFloatingType(x.scalar_type());
  return is_widened ? at::mm(d_y.t(), x, type) : at::mm(d_y.t(), x).to(type);
}

}  // namespace sparse_transformer
