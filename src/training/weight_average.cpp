#include "training/weight_average.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <vector>

namespace sparse_transformer {
namespace {

std::vector<at::Tensor> tensors_of(const Transformer& model) {
  std::vector<at::Tensor> tensors;
  for (const NamedTensor& parameter : model.parameters()) tensors.push_back(parameter.tensor);
  return tensors;
}

}  // namespace

WeightAverage::WeightAverage(const Transformer& model, double decay)
    : average_(model.settings(), model.layout(), model.computation()), decay_(decay) {
  move_parameters(average_, model.device());
  const at::NoGradGuard no_grad;
  at::_foreach_copy_(tensors_of(average_), tensors_of(model));
}

void WeightAverage::follow(const Transformer& model, std::int64_t step,
                           const at::Tensor& is_skipped) {
  const at::NoGradGuard no_grad;
  const auto t = static_cast<double>(step);
  const double decay = std::min(decay_, (1.0 + t) / (10.0 + t));
  const std::vector<at::Tensor> average = tensors_of(average_);
  const std::vector<at::Tensor> shares(average.size(), (1 - is_skipped) * (1.0 - decay));
  at::_foreach_lerp_(average, tensors_of(model), shares);
}

}  // namespace sparse_transformer
