// Checkpoints: folders that are whole or not there.
//
//     step-00001000/  config.yaml  model.safetensors  average.safetensors  optimizer.safetensors
//     state.json
//                     manifest.json: the SHA-256 of every other file
//
// Written to a folder named .tmp-step-…, flushed to the disk, renamed. A damaged one is refused by
// name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "model/parameters.h"
#include "training/training_state.h"

namespace sparse_transformer {

/// The tensors of a checkpoint by file; files that do not apply are empty (no average).
struct CheckpointTensors {
  NamedTensors model, average, optimizer;
};

/// Writes `parent`/step-XXXXXXXX and returns it. Throws UserError or WorldError, and then leaves no
/// trace, unless all is written and only the name could not be given: the next start of the run
/// (finish_interrupted_saves) tries that again.
std::filesystem::path write_checkpoint(const std::filesystem::path& parent,
                                       const CheckpointTensors& tensors, TrainingProgress progress,
                                       const std::string& config_yaml);

/// What a checkpoint holds beside its tensors.
struct CheckpointState {
  TrainingProgress progress;
  std::string config_yaml;
};

/// Verifies the checksums of these two alone, so that they are there at once, however large the
/// tensors. Throws UserError as Checkpoint does.
CheckpointState read_state(const std::filesystem::path& folder);

/// A checkpoint on disk, its checksums verified on opening. Throws UserError naming the folder and
/// what is damaged.
class Checkpoint {
 public:
  /// Calls `tick` after each MiB of tensors; what it throws comes through.
  explicit Checkpoint(std::filesystem::path folder, const std::function<void()>& tick = {});

  const std::filesystem::path& folder() const { return folder_; }
  const TrainingProgress& progress() const { return state_.progress; }
  const std::string& config_yaml() const { return state_.config_yaml; }
  bool has_average() const;

  void read_model(const NamedTensors& model) const;
  void read_average(const NamedTensors& average) const;
  void read_optimizer(const NamedTensors& optimizer) const;

 private:
  std::filesystem::path folder_;
  CheckpointState state_;
};

}  // namespace sparse_transformer
