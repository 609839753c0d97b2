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
    group.updates.push_back(
        at::zeros({}, at::TensorOptions().dtype(at::kFloat).device(parameter.tensor.device())));
  }
}

std::vector<at::Tensor> AdamW::Group::gradients() const {
  std::vector<at::Tensor> result;
  for (const at::Tensor& weight : weights) {
    result.push_back(weight.grad().defined() ? weight.grad() : at::zeros_like(weight.detach()));
  }
  return result;
}

at::Tensor AdamW::update(double learning_rate, double clip) {
  const at::NoGradGuard no_grad;
  std::vector<std::vector<at::Tensor>> gradients;
  std::vector<at::Tensor> norms;
  for (const Group& group : groups_) {
    gradients.push_back(group.gradients());
    for (const at::Tensor& norm : at::_foreach_norm(gradients.back())) norms.push_back(norm);
  }
  at::Tensor norm = at::stack(norms).norm();
  // The kernel divides gradients by this: at least 1, so that only too large ones are scaled.
  const at::Tensor divisor = clip > 0.0 ? (norm / clip).clamp_min(1.0) : at::ones_like(norm);

  ++updates_;
  // The kernel adds its epsilon to √(v / (1-β₂ᵗ)); the paper's stands beside √v.
  const double epsilon = kEpsilon / std::sqrt(1.0 - std::pow(settings_.beta2, updates_));
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    Group& group = groups_[i];
    for (const at::Tensor& count : group.updates) count.fill_(updates_);
    at::_fused_adamw_(group.weights, gradients[i], group.first_moments, group.second_moments,
                      /*max_exp_avg_sqs=*/{}, group.updates, learning_rate, settings_.beta1,
                      settings_.beta2, group.weight_decay, epsilon, /*amsgrad=*/false,
                      /*maximize=*/false, divisor);
  }
  drop_gradients();
  return norm;
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
