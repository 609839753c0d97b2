// What changes from one training step to the next.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <optional>

#include "model/augmentation.h"

namespace sparse_transformer {

/// In memory of the device that a step reads when it runs there, so that one and the same sequence
/// of kernels serves every step (step_graph.h). Numbers are set by fill_, a launch that carries its
/// value: nothing waits for the device, and no memory of the host has to keep until it has run.
struct StepInputs {
  explicit StepInputs(c10::Device device);

  /// The step's sequences, from the CPU, where those of the last one were. Nothing waits for the
  /// device. Whether they are in new memory, because their sizes are new.
  bool take(const at::Tensor& new_tokens, const std::optional<Shown>& new_shown);

  /// How the sequences first … first + count are shown.
  std::optional<Shown> shown_of(std::int64_t first, std::int64_t count) const;

  at::Tensor step;             // int64, from 0
  at::Tensor learning_rate;    // float64
  at::Tensor average_share;    // float32, see weight_average.h
  at::Tensor tokens;           // [batch, n] uint8
  std::optional<Shown> shown;  // how, where training's sequences are augmented
};

}  // namespace sparse_transformer
