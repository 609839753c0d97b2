// Whether a run's figures leave the range that they have kept to.
#pragma once

#include <cstdint>
#include <string>

namespace sparse_transformer {

/// Mean and variance of a figure over its last hundred or so steps.
struct RunningFigure {
  double mean = 0.0;
  double variance = 0.0;
  std::int64_t count = 0;  // steps so far

  /// Whether x is more than `deviations` standard deviations above the mean; never in the first
  /// hundred steps, and never by less than a hundredth of the mean a deviation. Then takes x in:
  /// one beyond the bound counts as the bound, so that an outlier hardly moves it and a lasting
  /// change is in time what is normal. `deviations` 0: takes x in alone.
  bool add(double x, double deviations);
  double deviation() const;
  bool operator==(const RunningFigure&) const = default;
};

/// Of loss and gradient norm. What is a checkpoint's to keep.
struct WatchState {
  RunningFigure loss, gradient_norm;
  std::int64_t calm_steps = kCalm;  // since the last alarm, at most kCalm

  static constexpr std::int64_t kCalm = 50;

  /// Something was wrong a short while ago.
  bool is_alarmed() const { return calm_steps < kCalm; }

  /// A step with these figures, both finite. What to warn of where an alarm begins, else nothing.
  std::string add(double loss_nats, double norm, double deviations);
  /// A step that could not be taken.
  void alarm() { calm_steps = 0; }
  bool operator==(const WatchState&) const = default;
};

}  // namespace sparse_transformer
