// The learning rate of each step.
#pragma once

#include <cstdint>

#include "training/training_settings.h"

namespace sparse_transformer {

/// Rises linearly over the warm-up, (step + 1) / warmup, then stays or falls to 0 at `steps` along
/// half a cosine (paper §6). `step` counts from 0.
double learning_rate(const TrainingSettings& settings, std::int64_t step, std::int64_t steps);

}  // namespace sparse_transformer
