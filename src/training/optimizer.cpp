#include "training/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "training/kernels/adam_cuda.h"

namespace sparse_transformer {
namespace {

constexpr double kEpsilon = 1e-8;

/// Gains and biases are not decayed; everything else is, the start vector included (as in the
/// released code).
bool is_decayed(const NamedTensor& parameter) {
  return parameter.tensor.dim() > 1 || parameter.name == "embedding.start";
}

HalfType rounded_type(const at::Tensor& rounded) {
  const bool is_float16 = rounded.defined() && rounded.scalar_type() == at::kHalf;
  return is_float16 ? HalfType::kFloat16 : HalfType::kBfloat16;
}

}  // namespace

AdamW::AdamW(const NamedTensors& parameters, const NamedTensors& averages,
             const AdamSettings& settings)
    : settings_(settings),
      has_kernels_(settings.kernels == Kernels::kFused &&
                   adam_cuda_serves(parameters.front().tensor.device())),
      groups_(2) {
  groups_[0].weight_decay = settings.weight_decay;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const NamedTensor& parameter = parameters[i];
    Group& group = groups_[is_decayed(parameter) ? 0 : 1];
    parameter.tensor.requires_grad_(true);
    group.names.push_back(parameter.name);
    group.weights.push_back(parameter.tensor);
    group.rounded.push_back(parameter.rounded);
    group.first_moments.push_back(at::zeros_like(parameter.tensor.detach()));
    group.second_moments.push_back(at::zeros_like(parameter.tensor.detach()));
    if (!averages.empty()) group.averages.push_back(averages[i].tensor);
  }
  updates_ = at::zeros({}, parameters.front().tensor.options().dtype(at::kFloat));
}

std::vector<at::Tensor> AdamW::Group::gradients() const {
  std::vector<at::Tensor> result;
  for (const at::Tensor& weight : weights) {
    result.push_back(weight.grad().defined() ? weight.grad() : at::zeros_like(weight.detach()));
  }
  return result;
}

AdamW::Listed AdamW::list() const {
  const auto numbers = [](const at::Tensor& x) { return x.detach().mutable_data_ptr<float>(); };
  Listed listed;
  for (const Group& group : groups_) {
    const std::vector<at::Tensor> gradients = group.gradients();
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const at::Tensor& rounded = group.rounded[i];
      listed.gradients.push_back(gradients[i].contiguous());
      listed.tensors.push_back(
          {.weight = numbers(group.weights[i]),
           .gradient = listed.gradients.back().const_data_ptr<float>(),
           .first_moment = numbers(group.first_moments[i]),
           .second_moment = numbers(group.second_moments[i]),
           .average = group.averages.empty() ? nullptr : numbers(group.averages[i]),
           .rounded = rounded.defined() ? rounded.mutable_data_ptr() : nullptr,
           .rounded_type = rounded_type(rounded),
           .weight_decay = static_cast<float>(group.weight_decay),
           .count = gradients[i].numel()});
    }
  }
  return listed;
}

at::Tensor AdamW::gradient_norm() const {
  const at::NoGradGuard no_grad;
  if (has_kernels_) return gradient_norm_cuda(list().tensors, updates_.device());
  std::vector<at::Tensor> norms;
  for (const Group& group : groups_) {
    for (const at::Tensor& norm : at::_foreach_norm(group.gradients())) norms.push_back(norm);
  }
  return at::stack(norms).norm();
}

void AdamW::update(const UpdateNumbers& numbers) {
  const at::NoGradGuard no_grad;
  ++calls_;
  updates_.add_(1 - numbers.is_skipped);
  if (has_kernels_) {
    update_by_kernels(numbers);
  } else {
    for (const Group& group : groups_) update_plainly(group, numbers);
  }
  drop_gradients();
}

void AdamW::update_by_kernels(const UpdateNumbers& numbers) const {
  const Listed listed = list();
  adam_update_cuda(listed.tensors,
                   {.learning_rate = numbers.learning_rate.const_data_ptr<double>(),
                    .updates = updates_.const_data_ptr<float>(),
                    .average_share = numbers.average_share.const_data_ptr<float>(),
                    .divisor = numbers.divisor.const_data_ptr<float>(),
                    .is_skipped = numbers.is_skipped.const_data_ptr<float>(),
                    .beta1 = settings_.beta1,
                    .beta2 = settings_.beta2,
                    .epsilon = kEpsilon},
                   updates_.device());
}

void AdamW::update_plainly(const Group& group, const UpdateNumbers& numbers) const {
  const std::vector<at::Tensor> updates(group.weights.size(), updates_);
  // On the CPU the kernel computes the step's size in float64, on CUDA it takes float32 alone.
  const at::Tensor rate = numbers.learning_rate.to(updates_.is_cpu() ? at::kDouble : at::kFloat);
  at::_fused_adamw_(group.weights, group.gradients(), group.first_moments, group.second_moments,
                    /*max_exp_avg_sqs=*/{}, updates, rate, settings_.beta1, settings_.beta2,
                    group.weight_decay, plain_epsilon(), /*amsgrad=*/false, /*maximize=*/false,
                    numbers.divisor, numbers.is_skipped);
  for (std::size_t i = 0; i < group.weights.size(); ++i) {
    if (group.rounded[i].defined()) group.rounded[i].copy_(group.weights[i]);
  }
  if (group.averages.empty()) return;
  const std::vector<at::Tensor> shares(group.averages.size(),
                                       (1 - numbers.is_skipped) * numbers.average_share);
  at::_foreach_lerp_(group.averages, group.weights, shares);
}

/// The kernel adds its epsilon to √(v / (1-β₂ᵗ)); the paper's stands beside √v.
double AdamW::plain_epsilon() const {
  const double t =
      updates_.is_cpu() ? std::max(updates_.item<double>(), 1.0) : static_cast<double>(calls_);
  return kEpsilon / std::sqrt(1.0 - std::pow(settings_.beta2, t));
}

void AdamW::set_steps(std::int64_t steps, std::int64_t skipped) {
  calls_ = steps;
  updates_.fill_(static_cast<double>(steps - skipped));
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
