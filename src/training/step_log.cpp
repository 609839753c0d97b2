#include "training/step_log.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>
#include <string>

#include "config/errors.h"
#include "runtime/format.h"

namespace sparse_transformer {

void StepLog::add(const StepFigures& figures, std::int64_t tokens, double seconds) {
  steps_.push_back(figures);
  tokens_ += tokens;
  seconds_ += seconds;
}

Figures StepLog::read(std::int64_t last_step) {
  if (steps_.empty()) return {};
  std::vector<at::Tensor> scalars;
  for (const StepFigures& step : steps_) {
    scalars.push_back(step.loss);
    scalars.push_back(step.gradient_norm);
  }
  const at::Tensor values = at::stack(scalars).to(at::kDouble).cpu();
  const auto value = [&](std::size_t step, int which) {
    return values[static_cast<std::int64_t>(2 * step) + which].item<double>();
  };
  double nats = 0.0;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const std::int64_t step = last_step - static_cast<std::int64_t>(steps_.size() - 1 - i);
    if (!std::isfinite(value(i, 0)) || !std::isfinite(value(i, 1))) {
      throw WorldError("step " + format_count(step) + ": the " +
                       (std::isfinite(value(i, 0)) ? "gradient" : "loss") +
                       " is not finite; training stops, and the last checkpoint stands (a lower "
                       "training.learning_rate or a longer training.warmup often helps)");
    }
    nats += value(i, 0);
  }
  Figures figures = {{"train_bits", nats / std::numbers::ln2 / static_cast<double>(steps_.size())},
                     {"gradient_norm", value(steps_.size() - 1, 1)},
                     {"tokens_per_second", static_cast<double>(tokens_) / seconds_}};
  *this = StepLog();
  return figures;
}

}  // namespace sparse_transformer
