#include "training/schedule.h"

#include <cmath>
#include <numbers>

namespace sparse_transformer {

double learning_rate(const TrainingSettings& settings, std::int64_t step, std::int64_t steps) {
  if (step < settings.warmup) {
    return settings.learning_rate * static_cast<double>(step + 1) /
           static_cast<double>(settings.warmup);
  }
  if (settings.schedule == Schedule::kConstant) return settings.learning_rate;
  const double past = static_cast<double>(step - settings.warmup) /
                      static_cast<double>(std::max<std::int64_t>(1, steps - settings.warmup));
  return settings.learning_rate * 0.5 * (1.0 + std::cos(std::numbers::pi * past));
}

}  // namespace sparse_transformer
