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
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "attention/kernel_choice.h"
#include "data/token_data.h"
#include "model/parameters.h"
#include "training/divergence_watch.h"

namespace sparse_transformer {

/// What a run needs to go on, beside its tensors.
struct TrainingProgress {
  std::int64_t step = 0;            // finished steps
  std::int64_t evaluated = 0;       // the last step that was evaluated
  std::int64_t sampled = 0;         // … that samples were drawn at
  std::optional<double> best_bits;  // of the validation split
  std::int64_t best_step = 0;
  std::int64_t skipped_steps = 0;  // of the finished ones, those that changed nothing
  std::int64_t skipped_in_a_row = 0;
  std::optional<double> loss_scale;  // of fp16
  std::int64_t passed_over = 0;      // sequences that were left out after going back
  std::int64_t rollbacks = 0;        // to this very step
  WatchState watch;
  std::map<std::string, std::string> machine;  // describe_machine()
  KernelChoice kernels;                        // where there was a choice (chosen_kernels.h)
  std::string data_hash;                       // DataSet::content_hash()
  TokenFormat format;                          // how samples become files
};

/// The tensors of a checkpoint by file; files that do not apply are empty (no average).
struct CheckpointTensors {
  NamedTensors model, average, optimizer;
};

/// Writes `parent`/step-XXXXXXXX and returns it. Throws UserError or WorldError, leaving no trace.
std::filesystem::path write_checkpoint(const std::filesystem::path& parent,
                                       const CheckpointTensors& tensors,
                                       const TrainingProgress& progress,
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

/// The checkpoints in a folder, oldest first; unfinished ones and what has another name than
/// step-N are left out.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& parent);

/// The step in the name of a checkpoint that was listed.
std::int64_t checkpoint_step(const std::filesystem::path& folder);

}  // namespace sparse_transformer
