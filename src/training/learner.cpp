#include "training/learner.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <utility>

#include "model/token_loss.h"
#include "runtime/stop.h"
#include "training/checked_kernels.h"
#include "training/schedule.h"

namespace sparse_transformer {
namespace {

/// A model that was filled and moved first: who holds its tensors must hold their final memory.
Transformer& prepared(Transformer& model, const TrainingSettings& settings, c10::Device device) {
  initialise(model, static_cast<std::uint64_t>(settings.seed));
  move_parameters(model, device);
  model.keep_rounded_weights();
  return model;
}

std::unique_ptr<WeightAverage> average_of(const Transformer& model, double decay) {
  return decay > 0.0 ? std::make_unique<WeightAverage>(model, decay) : nullptr;
}

std::unique_ptr<WorkRecorder> usual_recorder(const TrainingSettings& settings, c10::Device device) {
  return settings.kernels == Kernels::kFused && device.is_cuda() ? cuda_recorder(device) : nullptr;
}

}  // namespace

Learner::Learner(const Settings& settings, c10::Device device)
    : Learner(settings, device, usual_recorder(settings.training, device)) {}

Learner::Learner(const Settings& settings, c10::Device device,
                 std::unique_ptr<WorkRecorder> recorder)
    : settings_(settings.training),
      model_(settings.model, sequence_layout(settings), checked_computation(settings, device)),
      average_(average_of(prepared(model_, settings_, device), settings_.average)),
      optimizer_(model_.parameters(), averages(),
                 {.beta1 = settings_.beta1,
                  .beta2 = settings_.beta2,
                  .weight_decay = settings_.weight_decay,
                  .kernels = checked_optimizer(settings, device)}),
      loss_scale_(settings_.precision, device),
      inputs_(device),
      figures_(at::zeros({3}, at::TensorOptions().dtype(at::kFloat).device(device))),
      graph_(optimizer_.is_recordable() ? std::move(recorder) : nullptr) {}

StepFigures Learner::step(const at::Tensor& tokens, std::int64_t step, std::int64_t steps) {
  throw_if_stopped();  // no replay comes to a layer's boundary
  prepare(tokens, step, steps);
  graph_.run([this, step] { learn(step); });
  const at::Tensor figures = figures_.clone();  // read when later steps have written theirs
  return {.loss = figures[0], .gradient_norm = figures[1], .loss_scale = figures[2]};
}

void Learner::prepare(const at::Tensor& tokens, std::int64_t step, std::int64_t steps) {
  const AugmentationSettings& augmentation = model_.settings().augmentation;
  bool is_new = false;
  if (used_kinds(augmentation).empty()) {
    is_new = inputs_.take(tokens, std::nullopt);
  } else {
    const auto [augmented, shown] =
        augment(tokens, augmentation, model_.layout().picture_shape(),
                static_cast<std::uint64_t>(settings_.seed), step * tokens.size(0));
    is_new = inputs_.take(augmented, shown);
  }
  if (is_new) graph_.forget();
  inputs_.step.fill_(step);
  inputs_.learning_rate.fill_(learning_rate(settings_, step, steps));
  if (average_) inputs_.average_share.fill_(average_->share(step + 1));
}

void Learner::learn(std::int64_t step) {
  try {
    update(accumulate_gradients(step));
  } catch (...) {
    optimizer_.drop_gradients();
    throw;
  }
}

void Learner::update(const at::Tensor& loss) {
  const at::Tensor& scale = loss_scale_.value();
  const at::Tensor norm = optimizer_.gradient_norm() / scale;
  at::stack_out(figures_, {loss, norm, scale});
  const at::Tensor is_skipped =
      loss.isfinite().logical_and(norm.isfinite()).logical_not().to(at::kFloat);
  // At least the loss scale, so that only too large gradients are made smaller.
  const at::Tensor divisor =
      settings_.clip > 0.0 ? scale * (norm / settings_.clip).clamp_min(1.0) : scale;
  optimizer_.update({.learning_rate = inputs_.learning_rate,
                     .average_share = inputs_.average_share,
                     .divisor = divisor,
                     .is_skipped = is_skipped});
  loss_scale_.follow(loss, norm);
}

at::Tensor Learner::accumulate_gradients(std::int64_t step) {
  const at::Tensor& tokens = inputs_.tokens;
  at::Tensor total = at::zeros({}, at::TensorOptions().device(model_.device()));
  const std::int64_t at_a_time = settings_.sequences_at_a_time();
  for (std::int64_t first = 0; first < tokens.size(0); first += at_a_time) {
    const std::int64_t count = std::min(at_a_time, tokens.size(0) - first);
    const at::Tensor part = tokens.narrow(0, first, count);
    const std::optional<Shown> shown = inputs_.shown_of(first, count);
    const DropoutPlace place{.seed = static_cast<std::uint64_t>(settings_.seed),
                             .step = step,
                             .first_sequence = first,
                             .step_on_device = inputs_.step};
    const at::Tensor logits = model_.forward(part, &place, shown ? &*shown : nullptr);
    // The sum over this part's tokens, over the tokens of the whole step: equal however the step is
    // split.
    const at::Tensor loss = token_loss(logits, part, model_.computation().kernels) /
                            static_cast<double>(tokens.numel());
    torch::autograd::backward({loss * loss_scale_.value()}, {});
    total += loss.detach();
  }
  return total;
}

NamedTensors Learner::averages() const {
  return average_ ? average_->model().parameters() : NamedTensors{};
}

void Learner::compute_by(const KernelChoice& choice) {
  model_.compute_by(choice);
  if (average_) average_->compute_by(choice);
  graph_.forget();  // it may have recorded others
}

const Transformer& Learner::best_model() const { return average_ ? average_->model() : model_; }

CheckpointTensors Learner::tensors() const {
  return {.model = model_.parameters(), .average = averages(), .optimizer = optimizer_.moments()};
}

void Learner::restore(const Checkpoint& checkpoint) {
  checkpoint.read_model(model_.parameters());
  checkpoint.read_optimizer(optimizer_.moments());
  if (average_) checkpoint.read_average(average_->model().parameters());
  optimizer_.set_steps(checkpoint.progress().step, checkpoint.progress().skipped_steps);
  loss_scale_.restore(checkpoint.progress().loss_scale);
  round_weights(model_);
}

void Learner::start_from(const Checkpoint& checkpoint) {
  if (checkpoint.has_average()) {
    checkpoint.read_average(model_.parameters());
  } else {
    checkpoint.read_model(model_.parameters());
  }
  round_weights(model_);
  if (average_) average_->start_over(model_);
}

}  // namespace sparse_transformer
