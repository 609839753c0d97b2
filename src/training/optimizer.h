// Adam with decoupled weight decay (paper §6, as in the released code): with g the clipped gradient
// at update t,
//
//     m ← β₁m + (1-β₁)g,  v ← β₂v + (1-β₂)g²,  w ← w - η·λ·w - η·√(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε),
//     ε = 1e-8; λ = 0 for gains and biases.
//
// A step whose gradient is not finite is no update and not counted in t. (LibTorch's kernel for
// CUDA, which Kernels::kPlain takes, has its ε from the host, where nobody knows what was skipped:
// there alone ε is that of t with the skipped steps.)
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "attention/kernels/kernels.h"
#include "model/parameters.h"
#include "training/kernels/adam.h"

namespace sparse_transformer {

struct AdamSettings {
  double beta1 = 0.9, beta2 = 0.999;
  double weight_decay = 0.0;
  Kernels kernels = Kernels::kFused;  // on CUDA, kernels/adam_cuda.h
};

/// What an update reads when it runs: scalars on the parameters' device.
struct UpdateNumbers {
  at::Tensor learning_rate;  // float64
  at::Tensor average_share;  // float32: average ← average + share · (new weight - average)
  at::Tensor divisor;        // float32, of the gradients
  at::Tensor is_skipped;     // float32: 1 where nothing may change, instead of 0
};

class AdamW {
 public:
  /// `parameters` are updated in place, and their copies in half precision with them; their
  /// gradients are read from .grad(). `averages`, in the same order, follow them; there may be
  /// none.
  AdamW(const NamedTensors& parameters, const NamedTensors& averages, const AdamSettings& settings);

  /// Of the whole gradient as it stands, a scalar on the parameters' device.
  at::Tensor gradient_norm() const;

  /// One update, and of the averages. Nothing waits for the device. Gradients are dropped
  /// afterwards.
  void update(const UpdateNumbers& numbers);

  /// Whether update() does the same work on the device each time, so that a graph may record it.
  /// LibTorch's kernel for CUDA does not: its ε comes from the host.
  bool is_recordable() const { return has_kernels_ || updates_.is_cpu(); }

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
    std::vector<at::Tensor> weights, first_moments, second_moments, averages;
    std::vector<at::Tensor> rounded;  // of each weight its copy in half precision, or undefined
    std::vector<at::Tensor> gradients() const;
  };
  /// All parameters with their gradients, which own the memory pointed to.
  struct Listed {
    std::vector<at::Tensor> gradients;
    std::vector<AdamTensor> tensors;
  };
  Listed list() const;
  void update_by_kernels(const UpdateNumbers& numbers) const;
  void update_plainly(const Group& group, const UpdateNumbers& numbers) const;
  double plain_epsilon() const;

  AdamSettings settings_;
  bool has_kernels_;
  std::vector<Group> groups_;
  std::int64_t calls_ = 0;  // of update(), for plain_epsilon()
  at::Tensor updates_;      // t, a float32 scalar on the device
};

}  // namespace sparse_transformer
