#include "training/step_review.h"

#include <cmath>

#include "config/errors.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "training/loss_scale.h"

namespace sparse_transformer {

bool StepReview::is_ordinary_overflow(const StepValues& step) const {
  return settings_.precision == Precision::kFloat16 && std::isfinite(step.loss) &&
         step.loss_scale > LossScale::kFloor;
}

void StepReview::warn_at_floor(const StepValues& step, std::int64_t number) const {
  if (step.loss_scale * LossScale::kShrink > LossScale::kFloor) return;
  log_warning("step " + format_count(number) + ": the loss scale has fallen to its floor of " +
              format_count(static_cast<std::int64_t>(LossScale::kFloor)) +
              ": gradients are too large for fp16 (training.precision: bf16 has no such limit)");
}

std::optional<FailedStep> StepReview::review(const std::vector<StepValues>& steps,
                                             TrainingProgress& progress) const {
  std::int64_t number = progress.step - static_cast<std::int64_t>(steps.size());
  for (const StepValues& step : steps) {
    ++number;
    if (step.is_finite()) {
      progress.skipped_in_a_row = 0;
      const std::string alarm = progress.watch.add(step.loss, step.gradient_norm, settings_.watch);
      if (!alarm.empty()) {
        log_warning("step " + format_count(number) + ": the run may be diverging: " + alarm +
                    " (training.watch)");
      }
      continue;
    }
    ++progress.skipped_steps;
    ++progress.skipped_in_a_row;
    if (is_ordinary_overflow(step)) {
      warn_at_floor(step, number);
      continue;
    }
    const std::string what = "step " + format_count(number) + ": the " +
                             (std::isfinite(step.loss) ? "gradient" : "loss") + " is not finite";
    progress.watch.alarm();
    if (settings_.non_finite == NonFinite::kRollback) return FailedStep{number, what};
    const std::int64_t first_failed = number + 1 - progress.skipped_in_a_row;
    if (settings_.non_finite == NonFinite::kStop) {
      throw Divergence(first_failed, what + "; training stops");
    }
    if (progress.skipped_in_a_row >= kPatience) {
      throw Divergence(first_failed,
                       what + ", like the " + format_count(kPatience - 1) +
                           " steps before it: skipping does not help; training stops");
    }
    log_warning(what + "; it is skipped (" + format_count(progress.skipped_steps) + " so far)");
  }
  return std::nullopt;
}

}  // namespace sparse_transformer
