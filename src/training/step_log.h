// The figures of the steps since the last line of the log.
#pragma once

#include <cstdint>
#include <vector>

#include "training/learner.h"
#include "training/metrics.h"

namespace sparse_transformer {

class StepLog {
 public:
  void add(const StepFigures& figures, std::int64_t tokens, double seconds);

  /// Reads what has come since the last read, waiting for the device. Throws WorldError when a loss
  /// or gradient norm is not finite: `last_step` is the last of these steps. Empty where no step
  /// was added.
  Figures read(std::int64_t last_step);

 private:
  std::vector<StepFigures> steps_;
  std::int64_t tokens_ = 0;
  double seconds_ = 0.0;
};

}  // namespace sparse_transformer
