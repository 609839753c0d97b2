#include "model/norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace sparse_transformer {
namespace {

/// LibTorch's own takes a half and float32 weights together on the CPU alone.
class LayerNorm : public torch::autograd::Function<LayerNorm> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias, double epsilon,
                            c10::ScalarType type) {
    const auto [y, mean, deviation] =
        at::native_layer_norm(x.to(weight.scalar_type()), weight.sizes(), weight, bias, epsilon);
    context->save_for_backward({x, mean, deviation, weight, bias});
    return y.to(type);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& d_out) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& weight = saved[3];
    const at::ScalarType type = weight.scalar_type();
    const auto [d_x, d_weight, d_bias] =
        at::native_layer_norm_backward(d_out[0].to(type).contiguous(), x.to(type), weight.sizes(),
                                       saved[1], saved[2], weight, saved[4], {true, true, true});
    return {d_x.to(x.scalar_type()), d_weight, d_bias, {}, {}};
  }
};

}  // namespace

at::Tensor Norm::operator()(const at::Tensor& x, c10::ScalarType type) const {
  return LayerNorm::apply(x, weight, bias, epsilon, type);
}

}  // namespace sparse_transformer
