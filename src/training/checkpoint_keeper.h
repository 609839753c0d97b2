// Which checkpoints of a run exist: the newest N and the best one; a failed save costs none of
// them.
#pragma once

#include <filesystem>
#include <string>

#include "training/checkpoint.h"

namespace sparse_transformer {

class CheckpointKeeper {
 public:
  /// Removes what an interrupted save may have left in `folder`.
  CheckpointKeeper(std::filesystem::path folder, std::string config_yaml, std::int64_t keep);

  /// Saves and drops what is no longer kept. A failure is logged and leaves the checkpoints as they
  /// were; the second one in a row is thrown (WorldError).
  void save(const CheckpointTensors& tensors, const TrainingProgress& progress);
  /// The same where no later attempt will be made: any failure is thrown.
  void save_last(const CheckpointTensors& tensors, const TrainingProgress& progress);

 private:
  void write(const CheckpointTensors& tensors, const TrainingProgress& progress);
  void drop_old(std::int64_t best_step) const;

  std::filesystem::path folder_;
  std::string config_yaml_;
  std::int64_t keep_;
  bool last_failed_ = false;
};

}  // namespace sparse_transformer
