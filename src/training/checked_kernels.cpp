#include "training/checked_kernels.h"

#include <ATen/ATen.h>

#include "generation/sampling_checks.h"
#include "model/block.h"
#include "model/row_checks.h"
#include "runtime/random_tensors.h"
#include "training/kernels/adam_cuda.h"
#include "training/optimizer.h"

namespace sparse_transformer {
namespace {

bool is_checked(const Settings& settings, c10::Device device) {
  return device.is_cuda() && settings.training.kernels == Kernels::kFused;
}

/// The weight has a copy in half precision.
NamedTensors small_parameters(c10::Device device, RandomTensors& random) {
  const at::Tensor weight = random({33, 65}, device);
  return {{"weight", weight, weight.to(at::kBFloat16)}, {"bias", random({129}, device)}};
}

/// Weights with their copies, averages and moments afterwards, and the norm of the last gradient.
std::vector<at::Tensor> small_updates(Kernels kernels, c10::Device device,
                                      const NamedTensors& first,
                                      const std::vector<NamedTensors>& gradients) {
  const auto copies = [](const NamedTensors& tensors) {
    NamedTensors result;
    for (const NamedTensor& named : tensors) {
      const at::Tensor& rounded = named.rounded;
      result.push_back(
          {named.name, named.tensor.clone(), rounded.defined() ? rounded.clone() : rounded});
    }
    return result;
  };
  const NamedTensors parameters = copies(first), averages = copies(first);
  AdamW optimizer(parameters, averages, {.weight_decay = 0.01, .kernels = kernels});
  const auto number = [device](double value, at::ScalarType type) {
    return at::full({}, value, at::TensorOptions(device).dtype(type));
  };
  std::vector<at::Tensor> results;
  for (std::size_t step = 0; step < gradients.size(); ++step) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].tensor.mutable_grad() = gradients[step][i].tensor.clone();
    }
    const at::Tensor norm = optimizer.gradient_norm();
    if (step + 1 == gradients.size()) results.push_back(norm);
    optimizer.update({.learning_rate = number(1e-2, at::kDouble),
                      .average_share = number(0.1, at::kFloat),
                      .divisor = number(2.0, at::kFloat),
                      .is_skipped = number(step == 1 ? 1.0 : 0.0, at::kFloat)});
  }
  for (const NamedTensors& kind : {parameters, averages, optimizer.moments()}) {
    for (const NamedTensor& named : kind) results.push_back(named.tensor.detach());
  }
  for (const NamedTensor& named : parameters) {
    if (named.rounded.defined()) results.push_back(named.rounded.to(at::kFloat));
  }
  return results;
}

}  // namespace

KernelCheck optimizer_check(c10::Device device) {
  constexpr int kUpdates = 3;
  RandomTensors random(1);
  const NamedTensors first = small_parameters(device, random);
  std::vector<NamedTensors> gradients;
  for (int i = 0; i < kUpdates; ++i) gradients.push_back(small_parameters(device, random));
  const auto by = [=](Kernels kernels) {
    return [=] { return small_updates(kernels, device, first, gradients); };
  };
  return {.name = "Adam", .compute = by(Kernels::kFused), .plain = by(Kernels::kPlain)};
}

Computation checked_computation(const Settings& settings, c10::Device device) {
  Computation computation = settings.training.computation();
  if (!is_checked(settings, device)) return computation;
  const at::ScalarType type = activation_type(computation.precision);
  computation.trusts_rows =
      are_right(row_checks(cuda_row_operations(),
                           {.width = settings.model.width, .type = type, .device = device}),
                "LibTorch's operations compute norms, dropout, residual sums and GELU");
  computation.trusts_sampling =
      are_right(sampling_checks(head_shape(settings.model), type, device),
                "samples are drawn with LibTorch's operations and by the host");
  return computation;
}

Kernels checked_optimizer(const Settings& settings, c10::Device device) {
  if (!is_checked(settings, device) || !adam_cuda_serves(device)) return settings.training.kernels;
  const bool is_right = are_right({optimizer_check(device)}, "LibTorch's Adam updates the weights");
  return is_right ? Kernels::kFused : Kernels::kPlain;
}

}  // namespace sparse_transformer
