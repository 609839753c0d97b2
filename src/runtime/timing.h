// Comparing how long things take on a machine whose speed changes while they run.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace sparse_transformer {

/// Median seconds of each of the runs over so many rounds. A round runs each once, in turn, so that
/// what slows the machine for a while slows all alike; a first round is not counted. A run must
/// wait for its device. `progress` is told runs done, of all. Throws Interrupted between runs.
std::vector<double> median_seconds(
    const std::vector<std::function<void()>>& runs, std::int64_t rounds,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress);

}  // namespace sparse_transformer
