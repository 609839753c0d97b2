// Learning curves: bits against steps, of one or several runs in one picture.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "files/png.h"

namespace sparse_transformer {

struct CurvePoint {
  std::int64_t step = 0;
  double bits = 0.0;
};

/// What one run has logged so far, in the order of steps.
struct RunCurves {
  std::string name;
  std::vector<CurvePoint> train, valid;  // one of them may be empty

  std::int64_t last_step() const;
};

/// Of a run's folder, finished or going on. Throws UserError where it is no run, or has no figures
/// yet.
RunCurves read_curves(const std::filesystem::path& run);

/// What each run has come to: last step, last bits in training and validation, the best of the
/// latter. Text of a table: its head, then a row a run.
std::vector<std::vector<std::string>> last_figures(const std::vector<RunCurves>& runs);

/// Training as a thin pale line, validation as a thick one with dots, a colour a run, under a
/// legend of last_figures(). The first twentieth of the steps may leave the picture at its top: the
/// fall from 8 bits would flatten all that follows.
Image draw_curves(const std::vector<RunCurves>& runs);

/// Some `count` numbers in [low, high] that are multiples of 1, 2 or 5 times a power of ten, evenly
/// spaced. `least` is the smallest distance.
std::vector<double> round_ticks(double low, double high, int count, double least = 0.0);

}  // namespace sparse_transformer
