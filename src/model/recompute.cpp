#include "model/recompute.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace sparse_transformer {
namespace {

struct KeptPart : torch::CustomClassHolder {
  explicit KeptPart(Part its_part) : part(std::move(its_part)) {}
  Part part;
};

class Recomputed : public torch::autograd::Function<Recomputed> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            at::TensorList parameters, const Part& part) {
    torch::autograd::variable_list kept = {x};
    kept.insert(kept.end(), parameters.begin(), parameters.end());
    context->save_for_backward(kept);
    context->saved_data["part"] = c10::IValue::make_capsule(c10::make_intrusive<KeptPart>(part));
    return part(x);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& d_out) {
    torch::autograd::variable_list inputs = context->get_saved_variables();
    inputs[0] = inputs[0].detach().requires_grad_(true);
    const auto capsule = context->saved_data["part"].toCapsule();
    const at::AutoGradMode with_gradients(true);
    const at::Tensor y = static_cast<const KeptPart&>(*capsule).part(inputs[0]);
    auto gradients = torch::autograd::grad({y}, inputs, {d_out[0]});
    gradients.emplace_back();  // of the part itself
    return gradients;
  }
};

}  // namespace

at::Tensor recomputed(const Part& part, const at::Tensor& x, at::TensorList parameters) {
  return Recomputed::apply(x, parameters, part);
}

}  // namespace sparse_transformer
