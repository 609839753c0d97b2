#include "training/run_length.h"

#include "config/checked_integer.h"
#include "config/errors.h"
#include "data/batches.h"
#include "training/limits.h"

namespace sparse_transformer {

std::int64_t sequences_per_epoch(const Settings& settings, const DataSet& data) {
  return TrainingSequences(data, settings.data.sequence_length(),
                           static_cast<std::uint64_t>(settings.training.seed))
      .per_epoch();
}

std::int64_t total_steps(const TrainingSettings& training, std::int64_t per_epoch) {
  if (training.steps) return *training.steps;
  if (!training.epochs) {
    throw UserError("training.steps: neither steps nor epochs are given; say how long to train");
  }
  const auto too_many = [&] {
    return SettingError("training.epochs", std::to_string(*training.epochs) + " passes over " +
                                               std::to_string(per_epoch) +
                                               " sequences are more than " +
                                               std::to_string(kMostSteps) + " steps");
  };
  try {
    const CheckedInteger count = CheckedInteger(*training.epochs) * per_epoch;
    const std::int64_t steps = (count + training.batch - 1).value() / training.batch;
    if (steps <= kMostSteps) return steps;
  } catch (const IntegerOverflow&) {
    throw too_many();
  }
  throw too_many();
}

std::optional<std::int64_t> expected_steps(const Settings& settings) {
  const TrainingSettings& training = settings.training;
  if (training.steps) return training.steps;
  if (!training.epochs || !settings.data.expected_sequences) return std::nullopt;
  return total_steps(training, *settings.data.expected_sequences);
}

double total_flops(const Settings& settings, const ModelSize& size, std::int64_t steps) {
  const auto tokens = static_cast<double>(settings.training.batch) *
                      static_cast<double>(settings.data.sequence_length());
  return size.flops_per_token * tokens * static_cast<double>(steps);
}

double seconds_on_h100(double flops) { return flops / (kH100Flops * kAssumedShare); }

}  // namespace sparse_transformer
