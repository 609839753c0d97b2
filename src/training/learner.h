// One optimizer step: what changes the weights, and nothing else.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "model/transformer.h"
#include "training/checkpoint.h"
#include "training/loss_scale.h"
#include "training/optimizer.h"
#include "training/settings.h"
#include "training/step_graph.h"
#include "training/step_inputs.h"
#include "training/weight_average.h"

namespace sparse_transformer {

/// Scalars on the device: reading them waits for it.
struct StepFigures {
  at::Tensor loss;           // nats a token, mean over all tokens of the step
  at::Tensor gradient_norm;  // before clipping, without the loss scale
  at::Tensor loss_scale;     // with which it was computed
};

/// Model, optimizer and averaged weights.
class Learner {
 public:
  /// With fresh weights, on the given device.
  Learner(const Settings& settings, c10::Device device);
  /// With steps recorded so, or, with nothing, launched one by one.
  Learner(const Settings& settings, c10::Device device, std::unique_ptr<WorkRecorder> recorder);

  /// tokens: [batch, n] uint8 on the CPU. `step` counts from 0, of `steps`. Throws Interrupted at a
  /// layer's boundary, or before a replayed step, with the weights as they were. Where the loss or
  /// the gradient is not finite the step changes nothing but the loss scale. Nothing waits for the
  /// device. On CUDA with Kernels::kFused steps are replayed as a graph (step_graph.h).
  StepFigures step(const at::Tensor& tokens, std::int64_t step, std::int64_t steps);

  /// Which kernels compute on CUDA, from the next step on.
  void compute_by(const KernelChoice& choice);

  /// The averaged weights where there are any.
  const Transformer& best_model() const;
  const Transformer& model() const { return model_; }

  /// Everything that a checkpoint holds, sharing memory.
  CheckpointTensors tensors() const;
  /// Of fp16, for a checkpoint.
  std::optional<double> loss_scale() const { return loss_scale_.stored(); }
  /// Continues from a checkpoint. Throws UserError where it does not fit.
  void restore(const Checkpoint& checkpoint);
  /// Starts from a checkpoint's weights (averaged where it has them), with nothing else of it.
  void start_from(const Checkpoint& checkpoint);

 private:
  /// Puts what the step reads where it reads it.
  void prepare(const at::Tensor& tokens, std::int64_t step, std::int64_t steps);
  /// The step on the device, which reads inputs_ and writes figures_: the same work each time.
  void learn(std::int64_t step);
  at::Tensor accumulate_gradients(std::int64_t step);
  void update(const at::Tensor& loss);
  NamedTensors averages() const;

  TrainingSettings settings_;
  Transformer model_;
  std::unique_ptr<WeightAverage> average_;  // or none
  AdamW optimizer_;
  LossScale loss_scale_;
  StepInputs inputs_;
  at::Tensor figures_;  // of StepFigures, in that order
  StepGraph graph_;
};

}  // namespace sparse_transformer
