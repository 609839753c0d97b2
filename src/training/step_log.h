// The figures of the steps since the last line of the log.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "training/learner.h"
#include "training/step_sums.h"

namespace sparse_transformer {

/// StepFigures on the host.
struct StepValues {
  double loss, gradient_norm, loss_scale;

  /// Whether the step was taken: any other has changed nothing.
  bool is_finite() const { return std::isfinite(loss) && std::isfinite(gradient_norm); }
};

/// Of the steps that were taken; nothing where none was.
struct StepSummary {
  std::optional<double> bits;               // mean
  std::optional<double> gradient_norm;      // of the last
  double loss_scale = 1.0;                  // of the last, taken or not
  std::optional<double> tokens_per_second;  // of the steps of this process, where there are some
};

class StepLog {
 public:
  StepLog() = default;
  /// Continues with the sums of a checkpoint.
  explicit StepLog(const StepSums& sums) : sums_(sums) {}

  /// A step begins. The clock runs from the first step after a read to the end of the next read,
  /// which waits for the device: what the host needs to launch a step says nothing about its time.
  void begin_step();
  void add(const StepFigures& figures, std::int64_t tokens);

  /// The steps since the last read, waiting for the device.
  std::vector<StepValues> read();

  /// Over the steps read since the last summary.
  const StepSums& sums() const { return sums_; }
  /// Of the same steps; nothing where there are none.
  std::optional<StepSummary> summary();

 private:
  std::vector<StepFigures> unread_;
  StepSums sums_;                                               // of the steps that are read
  std::optional<std::chrono::steady_clock::time_point> begin_;  // of the unread steps
  std::int64_t tokens_ = 0;
  double seconds_ = 0.0;  // of the steps that are read
};

}  // namespace sparse_transformer
