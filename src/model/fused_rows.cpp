#include "model/fused_rows.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/kernels/row_operations.h"

namespace sparse_transformer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class PassAndNorm : public torch::autograd::Function<PassAndNorm> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x,
                               const at::Tensor& weight, const at::Tensor& bias, double epsilon) {
    const auto normed = row_operations(x).norm(x, weight, bias, epsilon);
    context->save_for_backward({x, normed.mean, normed.reciprocal, weight});
    return {x, normed.y};
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const auto gradient =
        row_operations(x).norm_gradient(x, {.y = {}, .mean = saved[1], .reciprocal = saved[2]},
                                        saved[3], d_out[1].contiguous(), d_out[0].contiguous());
    return {gradient.x, gradient.gain, gradient.shift, {}};
  }
};

class AddResidual : public torch::autograd::Function<AddResidual> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& h, const at::Tensor& y,
                            const at::Tensor& bias, const c10::intrusive_ptr<KeptDropout>& kept) {
    context->saved_data["kept"] = c10::IValue::make_capsule(kept);
    context->saved_data["bias_type"] = bias.scalar_type();
    return row_operations(h).residual(h, y, bias, kept->mask(h));
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const auto kept_dropout = context->saved_data["kept"].toCapsule();
    const auto& kept = static_cast<const KeptDropout&>(*kept_dropout);
    if (kept.p == 0.0) {
      const auto type = context->saved_data["bias_type"].toScalarType();
      return {d_out[0], d_out[0], d_out[0].flatten(0, -2).sum(0, /*keepdim=*/false, type), {}};
    }
    const at::Tensor d_sum = d_out[0].contiguous();
    const auto dropped = row_operations(d_sum).drop_and_sum(d_sum, kept.mask(d_sum));
    return {d_out[0], dropped.x, dropped.bias, {}};
  }
};

class Gelu : public torch::autograd::Function<Gelu> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& bias) {
    context->save_for_backward({x, bias});
    return row_operations(x).gelu(x, bias);
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const auto gradient = row_operations(x).gelu_gradient(x, saved[1], d_out[0].contiguous());
    return {gradient.x, gradient.bias};
  }
};

}  // namespace

bool fuses_rows(const at::Tensor& x, Kernels kernels) {
  return kernels == Kernels::kFused && row_operations(x).serves(x.device(), x.scalar_type());
}

PassedAndNormed pass_and_norm(const Norm& norm, const at::Tensor& x) {
  const auto both = PassAndNorm::apply(x.contiguous(), norm.weight, norm.bias, norm.epsilon);
  return {both[0], both[1]};
}

at::Tensor add_residual(const at::Tensor& h, const at::Tensor& y, const at::Tensor& bias) {
  return add_residual(h, y, bias, 0.0, {});
}

at::Tensor add_residual(const at::Tensor& h, const at::Tensor& y, const at::Tensor& bias, double p,
                        const DropoutPlace& place) {
  return AddResidual::apply(h.contiguous(), y.contiguous(), bias,
                            c10::make_intrusive<KeptDropout>(p, place));
}

at::Tensor gelu(const at::Tensor& x, const at::Tensor& bias) {
  return Gelu::apply(x.contiguous(), bias);
}

}  // namespace sparse_transformer
