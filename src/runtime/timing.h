// Comparing how long things take on a machine whose speed changes while they run.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace sparse_transformer {

/// Told runs done, of all.
using RunProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Seconds that `run` takes.
double seconds_of(const std::function<void()>& run);

/// When a comparison ends: after so many rounds, or with the round in which so many seconds have
/// passed. One round at least is counted.
struct RoundLimits {
  std::int64_t rounds = 1;
  double seconds = std::numeric_limits<double>::infinity();
};

/// Medians over rounds.
struct Medians {
  std::vector<double> values;
  std::int64_t rounds = 0;  // that were counted
};

/// Median of what each of the measurements gives, over rounds. A round takes each once, in turn, so
/// that what slows the machine for a while slows all alike; a first round is not counted. A
/// measurement must wait for its device. Throws Interrupted between measurements.
Medians medians_of_rounds(const std::vector<std::function<double()>>& measurements,
                          const RoundLimits& limits, const RunProgress& progress);

/// Likewise the seconds of each of the runs.
std::vector<double> median_seconds(const std::vector<std::function<void()>>& runs,
                                   std::int64_t rounds, const RunProgress& progress);

}  // namespace sparse_transformer
