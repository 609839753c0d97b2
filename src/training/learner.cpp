#include "training/learner.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "model/token_loss.h"
#include "training/schedule.h"

namespace sparse_transformer {
namespace {

/// The parameters of a model that was filled and moved first: the optimizer must hold their final
/// memory.
NamedTensors prepared(const Transformer& model, const TrainingSettings& settings,
                      c10::Device device) {
  initialise(model, static_cast<std::uint64_t>(settings.seed));
  move_parameters(model, device);
  return model.parameters();
}

}  // namespace

Learner::Learner(const Settings& settings, c10::Device device)
    : settings_(settings.training),
      model_(settings.model, sequence_layout(settings), settings_.computation()),
      optimizer_(prepared(model_, settings_, device), {.beta1 = settings_.beta1,
                                                       .beta2 = settings_.beta2,
                                                       .weight_decay = settings_.weight_decay}),
      loss_scale_(settings_.precision, device) {
  if (settings_.average > 0.0) average_.emplace(model_, settings_.average);
}

StepFigures Learner::step(const at::Tensor& tokens, std::int64_t step, std::int64_t steps) {
  StepFigures figures;
  try {
    figures.loss = accumulate_gradients(tokens, step);
  } catch (...) {
    optimizer_.drop_gradients();
    throw;
  }
  figures.loss_scale = loss_scale_.value();
  figures.gradient_norm = optimizer_.gradient_norm() / figures.loss_scale;
  const at::Tensor is_skipped = figures.loss.isfinite()
                                    .logical_and(figures.gradient_norm.isfinite())
                                    .logical_not()
                                    .to(at::kFloat);
  // At least the loss scale, so that only too large gradients are made smaller.
  const at::Tensor divisor =
      settings_.clip > 0.0
          ? figures.loss_scale * (figures.gradient_norm / settings_.clip).clamp_min(1.0)
          : figures.loss_scale;
  optimizer_.update(learning_rate(settings_, step, steps), divisor, is_skipped);
  if (average_) average_->follow(model_, step + 1, is_skipped);
  loss_scale_.follow(figures.loss, figures.gradient_norm);
  return figures;
}

at::Tensor Learner::accumulate_gradients(const at::Tensor& tokens, std::int64_t step) {
  at::Tensor total = at::zeros({}, at::TensorOptions().device(model_.device()));
  const std::int64_t at_a_time = settings_.sequences_at_a_time();
  for (std::int64_t first = 0; first < tokens.size(0); first += at_a_time) {
    const auto [part, shown] =
        shown_to_model(tokens.narrow(0, first, std::min(at_a_time, tokens.size(0) - first)),
                       step * tokens.size(0) + first);
    const DropoutPlace place{
        .seed = static_cast<std::uint64_t>(settings_.seed), .step = step, .first_sequence = first};
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

Learner::Part Learner::shown_to_model(const at::Tensor& tokens, std::int64_t first) const {
  const AugmentationSettings& augmentation = model_.settings().augmentation;
  if (used_kinds(augmentation).empty()) return {tokens.to(model_.device()), std::nullopt};
  const auto [augmented, shown] = augment(tokens, augmentation, model_.layout().picture_shape(),
                                          static_cast<std::uint64_t>(settings_.seed), first);
  return {augmented.to(model_.device()),
          Shown{shown.positions.to(model_.device()), shown.forms.to(model_.device())}};
}

const Transformer& Learner::best_model() const { return average_ ? average_->model() : model_; }

CheckpointTensors Learner::tensors() const {
  return {.model = model_.parameters(),
          .average = average_ ? average_->model().parameters() : NamedTensors{},
          .optimizer = optimizer_.moments()};
}

void Learner::restore(const Checkpoint& checkpoint) {
  checkpoint.read_model(model_.parameters());
  checkpoint.read_optimizer(optimizer_.moments());
  if (average_) checkpoint.read_average(average_->model().parameters());
  optimizer_.set_steps(checkpoint.progress().step, checkpoint.progress().skipped_steps);
  loss_scale_.restore(checkpoint.progress().loss_scale);
}

void Learner::start_from(const Checkpoint& checkpoint) {
  if (checkpoint.has_average()) {
    checkpoint.read_average(model_.parameters());
  } else {
    checkpoint.read_model(model_.parameters());
  }
  if (average_) average_.emplace(model_, settings_.average);
}

}  // namespace sparse_transformer
