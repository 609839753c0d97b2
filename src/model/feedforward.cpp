#include "model/feedforward.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/fused_rows.h"
#include "model/kernels/gelu_product_cuda.h"

namespace sparse_transformer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// With the non-linearity in a product of our own each way. As in linear.cpp, no rounded copy of a
/// weight is kept.
class ExpandAndContract : public torch::autograd::Function<ExpandAndContract> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& expand,
                            const at::Tensor& bias, const at::Tensor& contract) {
    const at::Tensor rows = x.reshape({-1, x.size(-1)});
    const auto [pre, y] = gelu_product_cuda(rows, expand.to(x.scalar_type()), bias);
    context->save_for_backward({x, pre, y, expand, bias, contract});
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = contract.size(0);
    return at::mm(y, contract.to(x.scalar_type()).t()).view(shape);
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &pre = saved[1], &y = saved[2];
    const at::Tensor &expand = saved[3], &bias = saved[4], &contract = saved[5];
    const at::Tensor d_rows = d_out[0].reshape({-1, contract.size(0)});
    const auto [d_pre, d_bias] =
        gelu_product_gradient_cuda(d_rows, contract.to(x.scalar_type()), pre, bias);
    const at::Tensor rows = x.reshape({-1, x.size(-1)});
    return {at::mm(d_pre, expand.to(x.scalar_type())).view_as(x),
            weight_gradient(d_pre, rows, expand.scalar_type()), d_bias,
            weight_gradient(d_rows, y, contract.scalar_type())};
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
    return ExpandAndContract::apply(x, expand.weight, expand.bias, contract.weight);
  }
  return apply({contract.weight, {}}, gelu(apply({expand.weight, {}}, x), expand.bias));
}

}  // namespace sparse_transformer
