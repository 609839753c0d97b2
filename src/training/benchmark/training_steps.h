// Training steps of one model, as one run of the clock.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <optional>

#include "attention/kernel_choice.h"
#include "training/learner.h"
#include "training/settings.h"

namespace sparse_transformer {

/// Steps of a learner on the same random tokens, optimizer included.
class TrainingSteps {
 public:
  /// With the kernels that are chosen, where there is a choice.
  TrainingSteps(const Settings& settings, c10::Device device, const KernelChoice& kernels,
                std::int64_t count);

  /// `count` steps, and waits. The first run also measures memory, in two steps more; they come
  /// first, as later ones may be replayed in memory that a graph has for itself (step_graph.h).
  void run();

  /// Memory at the peak of a step: weights, moments, averages, and what a step needs beside them.
  /// Nothing before the first run, and where the system does not tell.
  std::optional<std::int64_t> peak_bytes() const { return peak_bytes_; }

 private:
  void measure_memory();
  void steps(std::int64_t count);

  Learner learner_;
  c10::Device device_;
  std::int64_t count_;
  std::int64_t done_ = 0;
  at::Tensor tokens_;
  std::optional<std::int64_t> peak_bytes_;
};

}  // namespace sparse_transformer
