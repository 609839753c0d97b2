#include "training/step_log.h"

#include <ATen/ATen.h>

#include <numbers>

namespace sparse_transformer {

using Clock = std::chrono::steady_clock;

namespace {

void add_to(StepSums& sums, const StepValues& step) {
  sums.steps += 1;
  sums.loss_scale = step.loss_scale;
  if (!step.is_finite()) return;
  sums.taken += 1;
  sums.nats += step.loss;
  sums.gradient_norm = step.gradient_norm;
}

}  // namespace

void StepLog::begin_step() {
  if (!begin_) begin_ = Clock::now();
}

void StepLog::add(const StepFigures& figures, std::int64_t tokens) {
  unread_.push_back(figures);
  tokens_ += tokens;
}

std::vector<StepValues> StepLog::read() {
  if (unread_.empty()) return {};
  std::vector<at::Tensor> scalars;
  for (const StepFigures& step : unread_) {
    scalars.insert(scalars.end(), {step.loss, step.gradient_norm, step.loss_scale});
  }
  const at::Tensor values = at::stack(scalars).to(at::kDouble).cpu();  // one transfer for all
  const auto* value = values.const_data_ptr<double>();
  std::vector<StepValues> steps;
  for (std::size_t i = 0; i < unread_.size(); ++i, value += 3) {
    steps.push_back({.loss = value[0], .gradient_norm = value[1], .loss_scale = value[2]});
  }
  unread_.clear();
  if (begin_) seconds_ += std::chrono::duration<double>(Clock::now() - *begin_).count();
  begin_.reset();
  for (const StepValues& step : steps) add_to(sums_, step);
  return steps;
}

std::optional<StepSummary> StepLog::summary() {
  if (sums_.steps == 0) return std::nullopt;
  StepSummary summary{.bits = {},
                      .gradient_norm = sums_.gradient_norm,
                      .loss_scale = sums_.loss_scale,
                      .tokens_per_second = {}};
  if (sums_.taken > 0) {
    summary.bits = sums_.nats / std::numbers::ln2 / static_cast<double>(sums_.taken);
  }
  if (seconds_ > 0.0) summary.tokens_per_second = static_cast<double>(tokens_) / seconds_;
  *this = StepLog();
  return summary;
}

}  // namespace sparse_transformer
