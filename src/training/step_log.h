// The figures of the steps since the last line of the log.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "training/learner.h"

namespace sparse_transformer {

/// StepFigures on the host.
struct StepValues {
  double loss, gradient_norm, loss_scale;

  /// Whether the step was taken: any other has changed nothing.
  bool is_finite() const { return std::isfinite(loss) && std::isfinite(gradient_norm); }
};

/// Of the steps that were taken; nothing where none was.
struct StepSummary {
  std::optional<double> bits;           // mean
  std::optional<double> gradient_norm;  // of the last
  double loss_scale = 1.0;              // of the last, taken or not
  double tokens_per_second = 0.0;
};

class StepLog {
 public:
  void add(const StepFigures& figures, std::int64_t tokens, double seconds);

  /// The steps since the last read, waiting for the device.
  std::vector<StepValues> read();

  /// Of the steps read since the last summary; nothing where there are none.
  std::optional<StepSummary> summary();

 private:
  std::vector<StepFigures> unread_;
  std::vector<StepValues> read_;
  std::int64_t tokens_ = 0;
  double seconds_ = 0.0;
};

}  // namespace sparse_transformer
