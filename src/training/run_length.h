// How long a run is: its steps, and what they cost.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "data/token_data.h"
#include "model/size.h"
#include "training/settings.h"

namespace sparse_transformer {

/// Training sequences that an epoch has.
std::int64_t sequences_per_epoch(const Settings& settings, const DataSet& data);

/// Steps of a whole run: training.steps, or training.epochs over `per_epoch` sequences. Throws
/// UserError where neither is given, and where epochs are more than kMostSteps.
std::int64_t total_steps(const TrainingSettings& training, std::int64_t per_epoch);

/// The same with the data unopened: an epoch has data.expected_sequences. Nothing where epochs are
/// given and those are not.
std::optional<std::int64_t> expected_steps(const Settings& settings);

/// FLOPs of this many steps, forward and backward. What recomputation adds is not counted.
double total_flops(const Settings& settings, const ModelSize& size, std::int64_t steps);

/// Seconds that one H100 needs for them at an assumed share of its bfloat16 peak.
double seconds_on_h100(double flops);
inline constexpr double kH100Flops = 989e12;   // a second: bfloat16, dense, SXM
inline constexpr double kAssumedShare = 0.15;  // narrow layers and sparse attention reach less than
                                               // the 0.4 of large dense models; not measured

}  // namespace sparse_transformer
