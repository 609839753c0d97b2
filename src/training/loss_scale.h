// The factor on the loss that keeps small gradients within float16's range.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <optional>

#include "model/computation.h"

namespace sparse_transformer {

/// Dynamic (paper §5.6, with the released code's figures): grows a little with every good step and
/// is halved where a gradient overflowed, down to a floor. A scalar on the device: following the
/// steps waits for nothing. In other precisions it is 1 for good.
class LossScale {
 public:
  static constexpr double kStart = 65536.0;
  static constexpr double kGrowth = 1.0003466337;  // doubles in 2,000 steps
  static constexpr double kShrink = 0.5;
  static constexpr double kFloor = 1024.0;

  LossScale(Precision precision, c10::Device device);

  /// Of the coming step, float32; always the same memory.
  const at::Tensor& value() const { return value_; }

  /// After a step with this loss and norm of the unscaled gradient. A loss that is not finite
  /// itself is no matter of scale and leaves it.
  void follow(const at::Tensor& loss, const at::Tensor& gradient_norm);

  /// For a checkpoint; waits for the device. Nothing where there is no scale.
  std::optional<double> stored() const;
  void restore(const std::optional<double>& stored);

 private:
  bool is_dynamic_;
  at::Tensor value_;
};

}  // namespace sparse_transformer
