#include "training/step_inputs.h"

#include <ATen/ATen.h>

namespace sparse_transformer {
namespace {

/// Whether `to` is new memory.
bool copy(at::Tensor& to, const at::Tensor& from, c10::Device device) {
  const bool is_new = !to.defined() || to.sizes() != from.sizes();
  if (is_new) to = at::empty(from.sizes(), from.options().device(device));
  // The copy runs when the device comes to it. LibTorch gives the page-locked memory to nobody else
  // before.
  to.copy_(device.is_cuda() ? from.pin_memory() : from, /*non_blocking=*/true);
  return is_new;
}

}  // namespace

StepInputs::StepInputs(c10::Device device)
    : step(at::zeros({}, at::TensorOptions().dtype(at::kLong).device(device))),
      learning_rate(at::zeros({}, at::TensorOptions().dtype(at::kDouble).device(device))),
      average_share(at::zeros({}, at::TensorOptions().dtype(at::kFloat).device(device))) {}

bool StepInputs::take(const at::Tensor& new_tokens, const std::optional<Shown>& new_shown) {
  const c10::Device device = step.device();
  bool is_new = copy(tokens, new_tokens, device);
  if (new_shown) {
    if (!shown) shown.emplace();
    is_new |= copy(shown->positions, new_shown->positions, device);
    is_new |= copy(shown->forms, new_shown->forms, device);
  }
  return is_new;
}

std::optional<Shown> StepInputs::shown_of(std::int64_t first, std::int64_t count) const {
  if (!shown) return std::nullopt;
  return Shown{shown->positions.narrow(0, first, count), shown->forms.narrow(0, first, count)};
}

}  // namespace sparse_transformer
