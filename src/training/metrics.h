// The figures of a run, for a script (metrics.jsonl) and for TensorBoard.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "files/append_file.h"
#include "files/tensorboard.h"
#include "training/training_state.h"

namespace sparse_transformer {

/// Figures by name: "train_bits", "valid_bits", "learning_rate", "gradient_norm",
/// "tokens_per_second", "skipped_steps", and of fp16 "loss_scale".
using Figures = std::vector<std::pair<std::string, double>>;

/// A line of metrics.jsonl.
struct MetricsLine {
  std::int64_t step = 0;
  Figures figures;
};

/// What a run's metrics.jsonl says so far. A line that is being written just now is left out.
/// Throws UserError for a file that is not there or holds no figures yet, with file:line for a line
/// that holds none.
std::vector<MetricsLine> read_metrics(const std::filesystem::path& path);

/// Appends to metrics.jsonl, one JSON object a line with "step" first, and to an event file of its
/// own. Figures that cannot be written (a full disk) are lost and warned of once; the run
/// continues.
class MetricsLog {
 public:
  /// Lines that a run in this state has not written yet (it was resumed from an earlier checkpoint)
  /// are cut off. Throws UserError or WorldError.
  MetricsLog(const std::filesystem::path& folder, const TrainingProgress& progress);

  void add(std::int64_t step, const Figures& figures);
  void add_picture(std::int64_t step, const std::filesystem::path& png);
  /// Makes what was added survive a power cut.
  void flush();

 private:
  template <typename Action>
  void try_or_warn(const std::string& consequence, const Action& action);

  AppendFile lines_;
  EventWriter events_;
  bool warned_ = false;  // since the last success
};

}  // namespace sparse_transformer
