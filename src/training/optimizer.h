// Adam with decoupled weight decay (paper §6, as in the released code): with g the clipped gradient
// at update t,
//
//     m ← β₁m + (1-β₁)g,  v ← β₂v + (1-β₂)g²,  w ← w - η·λ·w - η·√(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε),
//     ε = 1e-8; λ = 0 for gains and biases.
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

  /// One update; `clip` > 0 first scales the gradient down to that norm. Gradients are dropped
  /// afterwards. Returns the norm before clipping, a scalar on the parameters' device.
  at::Tensor update(double learning_rate, double clip);

  /// The norm-free end of a step that was given up.
  void drop_gradients();

  /// The moments by name ("m.NAME", "v.NAME"), sharing memory, for checkpoints.
  NamedTensors moments() const;
  /// Updates made so far: t.
  void set_updates(std::int64_t updates) { updates_ = updates; }

 private:
  /// Parameters with one weight decay.
  struct Group {
    double weight_decay = 0.0;
    std::vector<std::string> names;
    std::vector<at::Tensor> weights, first_moments, second_moments, updates;
    std::vector<at::Tensor> gradients() const;
  };
  AdamSettings settings_;
  std::vector<Group> groups_;
  std::int64_t updates_ = 0;
};

}  // namespace sparse_transformer
