#include "runtime/timing.h"

#include <algorithm>
#include <chrono>

#include "runtime/stop.h"

namespace sparse_transformer {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

double seconds_of(const std::function<void()>& run) {
  const auto begin = Clock::now();
  run();
  return seconds_since(begin);
}

Medians medians_of_rounds(const std::vector<std::function<double()>>& measurements,
                          const RoundLimits& limits, const RunProgress& progress) {
  const auto begin = Clock::now();
  const auto count = static_cast<std::int64_t>(measurements.size());
  std::vector<std::vector<double>> values(measurements.size());
  Medians medians;
  for (std::int64_t round = 0; round <= limits.rounds; ++round) {
    if (round > 1 && seconds_since(begin) >= limits.seconds) break;
    for (std::size_t i = 0; i < measurements.size(); ++i) {
      throw_if_stopped();
      const double value = measurements[i]();
      if (round > 0) values[i].push_back(value);
      progress(round * count + static_cast<std::int64_t>(i) + 1, (limits.rounds + 1) * count);
    }
    medians.rounds = round;
  }
  for (const std::vector<double>& of_one : values) medians.values.push_back(median(of_one));
  return medians;
}

std::vector<double> median_seconds(const std::vector<std::function<void()>>& runs,
                                   std::int64_t rounds, const RunProgress& progress) {
  std::vector<std::function<double()>> measurements;
  for (const auto& run : runs) measurements.emplace_back([&run] { return seconds_of(run); });
  return medians_of_rounds(measurements, {.rounds = rounds}, progress).values;
}

}  // namespace sparse_transformer
