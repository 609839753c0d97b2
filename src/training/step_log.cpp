#include "training/step_log.h"

#include <ATen/ATen.h>

#include <numbers>

namespace sparse_transformer {

using Clock = std::chrono::steady_clock;

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
  read_.insert(read_.end(), steps.begin(), steps.end());
  return steps;
}

std::optional<StepSummary> StepLog::summary() {
  if (read_.empty()) return std::nullopt;
  StepSummary summary{.bits = {},
                      .gradient_norm = {},
                      .loss_scale = read_.back().loss_scale,
                      .tokens_per_second = static_cast<double>(tokens_) / seconds_};
  double nats = 0.0;
  std::int64_t taken = 0;
  for (const StepValues& step : read_) {
    if (!step.is_finite()) continue;
    nats += step.loss;
    taken += 1;
    summary.gradient_norm = step.gradient_norm;
  }
  if (taken > 0) summary.bits = nats / std::numbers::ln2 / static_cast<double>(taken);
  *this = StepLog();
  return summary;
}

}  // namespace sparse_transformer
