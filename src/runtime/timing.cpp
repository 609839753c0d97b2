#include "runtime/timing.h"

#include <algorithm>
#include <chrono>

#include "runtime/stop.h"

namespace sparse_transformer {

namespace {

double seconds_of(const std::function<void()>& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

std::vector<double> median_seconds(
    const std::vector<std::function<void()>>& runs, std::int64_t rounds,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  const auto count = static_cast<std::int64_t>(runs.size());
  std::vector<std::vector<double>> seconds(runs.size());
  for (std::int64_t round = 0; round <= rounds; ++round) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      throw_if_stopped();
      const double taken = seconds_of(runs[i]);
      if (round > 0) seconds[i].push_back(taken);
      progress(round * count + static_cast<std::int64_t>(i) + 1, (rounds + 1) * count);
    }
  }
  std::vector<double> medians;
  for (const std::vector<double>& values : seconds) medians.push_back(median(values));
  return medians;
}

}  // namespace sparse_transformer
