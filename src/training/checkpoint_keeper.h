// Which checkpoints of a run exist: the newest N and the best one; a failed save costs none of
// them. Those saved while something was wrong (TrainingProgress::watch is alarmed) are counted
// apart: they push out no sound one.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "training/checkpoint.h"

namespace sparse_transformer {

class CheckpointKeeper {
 public:
  CheckpointKeeper(std::filesystem::path folder, std::string config_yaml, std::int64_t keep);

  /// Makes good what an interrupted save may have left: removes unfinished folders and points the
  /// links at the newest checkpoint and at the best, whose step is 0 where there is none.
  void tidy(std::int64_t best_step) const;

  /// Saves and drops what is no longer kept. A failure is logged, leaves the checkpoints as they
  /// were and returns false; the second one in a row is thrown (WorldError).
  bool save(const CheckpointTensors& tensors, const TrainingProgress& progress);
  /// The same where no later attempt will be made: any failure is thrown.
  void save_last(const CheckpointTensors& tensors, const TrainingProgress& progress);

  /// The newest sound checkpoint, the newest of all where none is; nothing where there is none.
  std::optional<std::filesystem::path> newest_sound() const;

  /// Removes what was saved after `step`, which the run has gone back to.
  void drop_after(std::int64_t step, std::int64_t best_step) const;

 private:
  void write(const CheckpointTensors& tensors, const TrainingProgress& progress);
  void point_links(std::int64_t best_step) const;
  void drop_old() const;

  std::filesystem::path folder_;
  std::string config_yaml_;
  std::int64_t keep_;
  bool last_failed_ = false;
};

}  // namespace sparse_transformer
