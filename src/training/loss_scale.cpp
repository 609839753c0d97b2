#include "training/loss_scale.h"

#include <ATen/ATen.h>

namespace sparse_transformer {

LossScale::LossScale(Precision precision, c10::Device device)
    : is_dynamic_(precision == Precision::kFloat16),
      value_(at::full({}, is_dynamic_ ? kStart : 1.0,
                      at::TensorOptions().dtype(at::kFloat).device(device))) {}

void LossScale::follow(const at::Tensor& loss, const at::Tensor& gradient_norm) {
  if (!is_dynamic_) return;
  const at::Tensor overflown =
      at::where(loss.isfinite(), (value_ * kShrink).clamp_min(kFloor), value_);
  value_.copy_(at::where(loss.isfinite().logical_and(gradient_norm.isfinite()), value_ * kGrowth,
                         overflown));
}

std::optional<double> LossScale::stored() const {
  if (!is_dynamic_) return std::nullopt;
  return value_.item<double>();
}

void LossScale::restore(const std::optional<double>& stored) {
  if (is_dynamic_ && stored) value_.fill_(*stored);
}

}  // namespace sparse_transformer
