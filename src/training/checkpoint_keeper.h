// Which checkpoints of a run exist: the newest N and the best one; a failed save costs none of
// them. Those saved while something was wrong (TrainingProgress::watch is alarmed) are counted
// apart: they push out no sound one.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "training/checkpoint.h"

namespace sparse_transformer {

/// For the process that holds the run's lock.
class CheckpointKeeper {
 public:
  CheckpointKeeper(std::filesystem::path folder, std::string config_yaml, std::int64_t keep);

  /// Saves, points the links and drops what is no longer kept. A failed save is logged, leaves the
  /// checkpoints as they were and returns false; the second one in a row is thrown (WorldError).
  /// Once the checkpoint is written, it is saved: what fails then is a warning, once a kind.
  bool save(const CheckpointTensors& tensors, const TrainingProgress& progress);
  /// The same where no later attempt will be made: a failed save is thrown.
  void save_last(const CheckpointTensors& tensors, const TrainingProgress& progress);

  /// The newest sound checkpoint, the newest of all where none is; nothing where there is none.
  std::optional<std::filesystem::path> newest_sound() const;
  /// The same for a run whose step `failed` has failed. A checkpoint that the run went back to
  /// before, only to fail at its first step again, is passed over if there is an older one: its
  /// weights are at fault, not the data.
  std::optional<std::filesystem::path> newest_sound_before(std::int64_t failed) const;

  /// Drops what is no longer kept. A process that was killed at its last save left it.
  void drop_old();

  /// Removes what was saved after `step`, which the run has gone back to.
  void drop_after(std::int64_t step);

 private:
  void write(const CheckpointTensors& tensors, const TrainingProgress& progress);
  void drop(const std::filesystem::path& checkpoint);
  template <typename Action>
  bool try_or_warn(const std::string& kind, const Action& action);

  std::filesystem::path folder_;
  std::string config_yaml_;
  std::int64_t keep_;
  bool last_failed_ = false;
  std::set<std::string> warned_;  // the kinds of failures that have been told
};

}  // namespace sparse_transformer
