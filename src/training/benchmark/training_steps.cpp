#include "training/benchmark/training_steps.h"

#include <ATen/ATen.h>

#include "runtime/peak_memory.h"

namespace sparse_transformer {
namespace {

std::int64_t bytes_of(const CheckpointTensors& tensors) {
  std::int64_t bytes = 0;
  for (const NamedTensors* kind : {&tensors.model, &tensors.average, &tensors.optimizer}) {
    for (const NamedTensor& named : *kind)
      bytes += static_cast<std::int64_t>(named.tensor.nbytes());
  }
  return bytes;
}

}  // namespace

TrainingSteps::TrainingSteps(const Settings& settings, c10::Device device,
                             const KernelChoice& kernels, std::int64_t count)
    : learner_(settings, device),
      device_(device),
      count_(count),
      tokens_(at::randint(0, 256, {settings.training.batch, settings.data.sequence_length()},
                          at::kByte)) {
  learner_.compute_by(kernels);
}

void TrainingSteps::run() {
  if (done_ == 0) measure_memory();
  steps(count_);
}

void TrainingSteps::measure_memory() {
  steps(1);  // what is allocated once and for all is there now
  const PeakMemory memory(device_);
  steps(1);
  if (const auto growth = memory.growth()) peak_bytes_ = bytes_of(learner_.tensors()) + *growth;
}

void TrainingSteps::steps(std::int64_t count) {
  StepFigures figures;
  for (std::int64_t i = 0; i < count; ++i, ++done_) {
    // As at the start of a long run, where the learning rate rises slowly.
    constexpr std::int64_t kLongRun = 1'000'000;
    figures = learner_.step(tokens_, done_, kLongRun);
  }
  figures.gradient_norm.item<double>();  // waits for the device
}

}  // namespace sparse_transformer
