#include "model/feedforward.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/fused_rows.h"
#include "model/kernels/gelu_product_cuda.h"

namespace sparse_transformer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// As Linear keeps them.
struct RoundedWeights {
  at::Tensor expand, contract;
};

/// With the non-linearity in a product of our own each way.
class ExpandAndContract : public torch::autograd::Function<ExpandAndContract> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& expand,
                            const at::Tensor& bias, const at::Tensor& contract,
                            const RoundedWeights& rounded) {
    const at::ScalarType type = x.scalar_type();
    const at::Tensor first = rounded_for(type, expand, rounded.expand);
    const at::Tensor second = rounded_for(type, contract, rounded.contract);
    const at::Tensor rows = x.reshape({-1, x.size(-1)});
    const auto [pre, y] = gelu_product_cuda(rows, first.to(type), bias);
    context->save_for_backward({x, pre, y, first, bias, second});
    context->saved_data["weight_type"] = expand.scalar_type();
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = contract.size(0);
    return at::mm(y, second.to(type).t()).view(shape);
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &pre = saved[1], &y = saved[2];
    const at::Tensor &first = saved[3], &bias = saved[4], &second = saved[5];
    const at::ScalarType type = x.scalar_type();
    const at::ScalarType weight_type = context->saved_data["weight_type"].toScalarType();
    const at::Tensor d_rows = d_out[0].reshape({-1, second.size(0)});
    const auto [d_pre, d_bias] = gelu_product_gradient_cuda(d_rows, second.to(type), pre, bias);
    const at::Tensor rows = x.reshape({-1, x.size(-1)});
    return {at::mm(d_pre, first.to(type)).view_as(x),
            weight_gradient(d_pre, rows, weight_type),
            d_bias,
            weight_gradient(d_rows, y, weight_type),
            {}};
  }
};

}  // namespace

std::vector<KernelKind> feedforward_kernels(const Linear& expand, const at::Tensor& x) {
  if (!gelu_product_serves(x, expand.weight.size(0))) return {KernelKind::kCublas};
  return {KernelKind::kOwn, KernelKind::kCublas};
}

at::Tensor expand_and_contract(const Linear& expand, const Linear& contract, const at::Tensor& x,
                               KernelKind kernel) {
  if (kernel == KernelKind::kOwn && feedforward_kernels(expand, x).front() == kernel) {
    return ExpandAndContract::apply(x, expand.weight, expand.bias, contract.weight,
                                    RoundedWeights{expand.rounded, contract.rounded});
  }
  return apply(contract.without_bias(), gelu(apply(expand.without_bias(), x), expand.bias));
}

}  // namespace sparse_transformer
