#include "training/divergence_watch.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtime/format.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kMemory = 100;  // steps

std::string exceeds(const std::string& name, double x, const RunningFigure& before,
                    double unit = 1.0) {
  return name + " " + format_fixed(x / unit, 4) + " against a mean of " +
         format_fixed(before.mean / unit, 4) + " with a deviation of " +
         format_fixed(before.deviation() / unit, 4);
}

}  // namespace

double RunningFigure::deviation() const { return std::sqrt(variance); }

bool RunningFigure::add(double x, double deviations) {
  bool is_beyond = false;
  if (deviations > 0.0 && count >= kMemory) {
    constexpr double kLeastDeviation = 0.01;  // of the mean
    const double bound =
        mean + deviations * std::max(deviation(), kLeastDeviation * std::abs(mean));
    is_beyond = x > bound;
    x = std::min(x, bound);
  }
  count += 1;
  // The plain mean at first, then one that forgets.
  const double share = 1.0 / static_cast<double>(std::min(count, kMemory));
  const double distance = x - mean;
  mean += share * distance;
  variance = (1.0 - share) * (variance + share * distance * distance);
  return is_beyond;
}

std::string WatchState::add(double loss_nats, double norm, double deviations) {
  const RunningFigure loss_before = loss;
  const RunningFigure norm_before = gradient_norm;
  const bool loss_is_beyond = loss.add(loss_nats, deviations);
  const bool norm_is_beyond = gradient_norm.add(norm, deviations);
  if (!loss_is_beyond && !norm_is_beyond) {
    calm_steps = std::min(calm_steps + 1, kCalm);
    return "";
  }
  const bool begins = !is_alarmed();
  alarm();
  if (!begins) return "";
  return (loss_is_beyond ? exceeds("bits", loss_nats, loss_before, std::numbers::ln2) : "") +
         (loss_is_beyond && norm_is_beyond ? ", " : "") +
         (norm_is_beyond ? exceeds("gradient norm", norm, norm_before) : "");
}

}  // namespace sparse_transformer
