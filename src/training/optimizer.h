// Adam with decoupled weight decay (paper §6, as in the released code): with g the clipped gradient
// at update t,
//
//     m ← β₁m + (1-β₁)g,  v ← β₂v + (1-β₂)g²,  w ← w - η·λ·w - η·√(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε),
//     ε = 1e-8; λ = 0 for gains and biases.
//
// A step whose gradient is not finite is no update and not counted in t; only the ε of the few
// updates after it, whose correction is known on the host, is that of t with the skipped steps.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/parameters.h"

namespace sparse_transformer {

struct AdamSettings {
  double beta1 = 0.9, beta2 = 0.999;
  double weight_decay = 0.0;
};

class AdamW {
 public:
  /// `parameters` are updated in place; their gradients are read from .grad().
  AdamW(const NamedTensors& parameters, const AdamSettings& settings);

  /// Of the whole gradient as it stands, a scalar on the parameters' device.
  at::Tensor gradient_norm() const;

  /// One update with the gradients over `divisor`; none where `is_skipped` is 1 instead of 0. Both
  /// are float32 scalars on the parameters' device: nothing waits for it. Gradients are dropped
  /// afterwards.
  void update(double learning_rate, const at::Tensor& divisor, const at::Tensor& is_skipped);

  /// The norm-free end of a step that was given up.
  void drop_gradients();

  /// The moments by name ("m.NAME", "v.NAME"), sharing memory, for checkpoints.
  NamedTensors moments() const;
  /// Calls of update() so far, and those of them that were skipped.
  void set_steps(std::int64_t steps, std::int64_t skipped);

 private:
  /// Parameters with one weight decay.
  struct Group {
    double weight_decay = 0.0;
    std::vector<std::string> names;
    std::vector<at::Tensor> weights, first_moments, second_moments;
    std::vector<at::Tensor> gradients() const;
  };
  AdamSettings settings_;
  std::vector<Group> groups_;
  std::int64_t steps_ = 0;
  at::Tensor updates_;  // t, a float32 scalar on the device
};

}  // namespace sparse_transformer
