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
  start_over(model);
}

void WeightAverage::start_over(const Transformer& model) {
  const at::NoGradGuard no_grad;
  at::_foreach_copy_(tensors_of(average_), tensors_of(model));
}

double WeightAverage::share(std::int64_t t) const {
  const auto steps = static_cast<double>(t);
  return 1.0 - std::min(decay_, (1.0 + steps) / (10.0 + steps));
}

}  // namespace sparse_transformer
