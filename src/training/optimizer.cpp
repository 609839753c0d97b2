#include "training/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace sparse_transformer {
namespace {

constexpr double kEpsilon = 1e-8;

/// Gains and biases are not decayed; everything else is, the start vector included (as in the
/// released code).
bool is_decayed(const NamedTensor& parameter) {
  return parameter.tensor.dim() > 1 || parameter.name == "embedding.start";
}

}  // namespace

AdamW::AdamW(const NamedTensors& parameters, const AdamSettings& settings)
    : settings_(settings), groups_(2) {
  groups_[0].weight_decay = settings.weight_decay;
  for (const NamedTensor& parameter : parameters) {
    Group& group = groups_[is_decayed(parameter) ? 0 : 1];
    parameter.tensor.requires_grad_(true);
    group.names.push_back(parameter.name);
    group.weights.push_back(parameter.tensor);
    group.first_moments.push_back(at::zeros_like(parameter.tensor.detach()));
    group.second_moments.push_back(at::zeros_like(parameter.tensor.detach()));
  }
  set_steps(0, 0);
}

std::vector<at::Tensor> AdamW::Group::gradients() const {
  std::vector<at::Tensor> result;
  for (const at::Tensor& weight : weights) {
    result.push_back(weight.grad().defined() ? weight.grad() : at::zeros_like(weight.detach()));
  }
  return result;
}

at::Tensor AdamW::gradient_norm() const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> norms;
  for (const Group& group : groups_) {
    for (const at::Tensor& norm : at::_foreach_norm(group.gradients())) norms.push_back(norm);
  }
  return at::stack(norms).norm();
}

void AdamW::update(double learning_rate, const at::Tensor& divisor, const at::Tensor& is_skipped) {
  const at::NoGradGuard no_grad;
  ++steps_;
  updates_.add_(1 - is_skipped);
  // The kernel adds its epsilon to √(v / (1-β₂ᵗ)); the paper's stands beside √v.
  const double epsilon = kEpsilon / std::sqrt(1.0 - std::pow(settings_.beta2, steps_));
  for (const Group& group : groups_) {
    const std::vector<at::Tensor> updates(group.weights.size(), updates_);
    at::_fused_adamw_(group.weights, group.gradients(), group.first_moments, group.second_moments,
                      /*max_exp_avg_sqs=*/{}, updates, learning_rate, settings_.beta1,
                      settings_.beta2, group.weight_decay, epsilon, /*amsgrad=*/false,
                      /*maximize=*/false, divisor, is_skipped);
  }
  drop_gradients();
}

void AdamW::set_steps(std::int64_t steps, std::int64_t skipped) {
  steps_ = steps;
  const auto options = groups_.front().weights.front().options().dtype(at::kFloat);
  updates_ = at::full({}, static_cast<double>(steps - skipped), options.requires_grad(false));
}

void AdamW::drop_gradients() {
  for (const Group& group : groups_) {
    for (const at::Tensor& weight : group.weights) weight.mutable_grad() = at::Tensor();
  }
}

NamedTensors AdamW::moments() const {
  NamedTensors result;
  for (const Group& group : groups_) {
    for (std::size_t i = 0; i < group.names.size(); ++i) {
      result.push_back({"m." + group.names[i], group.first_moments[i]});
      result.push_back({"v." + group.names[i], group.second_moments[i]});
    }
  }
  return result;
}

}  // namespace sparse_transformer
