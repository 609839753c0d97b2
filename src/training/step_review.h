// What the figures of the steps mean for the run: go on, skip, warn, go back or stop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/errors.h"
#include "training/checkpoint.h"
#include "training/step_log.h"
#include "training/training_settings.h"

namespace sparse_transformer {

/// A step that the run goes back for.
struct FailedStep {
  std::int64_t number;  // counted from 1
  std::string what;     // "step 12: the loss is not finite"
};

/// Ends a run whose loss or gradient is not finite. The message is the step and what was wrong; who
/// knows the run's folder adds what helps.
class Divergence : public WorldError {
 public:
  /// `first_failed`: the first step, counted from 1, of those that failed one after another.
  Divergence(std::int64_t first_failed, const std::string& what)
      : WorldError(what), first_failed_(first_failed) {}
  std::int64_t first_failed() const { return first_failed_; }

 private:
  std::int64_t first_failed_;
};

/// Steps whose loss or gradient is not finite have changed nothing already. In fp16 an overflow of
/// the gradient is ordinary as long as the loss scale can fall; what else is not finite is met by
/// training.non_finite.
class StepReview {
 public:
  static constexpr std::int64_t kPatience = 100;

  explicit StepReview(TrainingSettings settings) : settings_(std::move(settings)) {}

  /// Reviews the steps up to progress.step, the oldest first, and keeps `progress`'s counts and
  /// watch. Warns in the log. Returns the step to go back for under `rollback`, the rest then being
  /// void. Throws Divergence under `stop`, and under `skip` after kPatience skipped steps in a row.
  std::optional<FailedStep> review(const std::vector<StepValues>& steps,
                                   TrainingProgress& progress) const;

 private:
  bool is_ordinary_overflow(const StepValues& step) const;
  void warn_at_floor(const StepValues& step, std::int64_t number) const;

  TrainingSettings settings_;
};

}  // namespace sparse_transformer
