// The training loop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "data/batches.h"
#include "data/data_watch.h"
#include "data/token_data.h"
#include "runtime/progress.h"
#include "training/checkpoint.h"
#include "training/checkpoint_keeper.h"
#include "training/learner.h"
#include "training/metrics.h"
#include "training/run_folder.h"
#include "training/settings.h"
#include "training/step_log.h"
#include "training/step_review.h"

namespace sparse_transformer {

/// Throws UserError where the checkpoint is not of these data, whose content hash is `hash`.
void check_same_data(const Checkpoint& checkpoint, const DataSet& data, const std::string& hash);

/// Trains in a run folder, which it leaves alone until train(), unless the run is finished. The
/// settings, the data and the folder must outlive it.
class Trainer {
 public:
  /// Throws UserError where the training split is shorter than a sequence.
  Trainer(const Settings& settings, const DataSet& data, const RunFolder& run);

  /// Goes on from there. Throws UserError where the data are other ones, or the tensors do not fit.
  /// Of a finished run, drops the checkpoints that are no longer kept: no later save will.
  void resume(const Checkpoint& checkpoint);
  /// Begins with these weights; they are saved as step 0, so that a resumed run has them too.
  void start_from(const Checkpoint& checkpoint);

  /// Nothing is left to learn, evaluate or sample.
  bool is_finished() const;

  /// Trains until the last step. Throws Interrupted after saving where a signal asked to stop,
  /// UnreadableInput after saving where the data cannot be read any more; WorldError where
  /// training.non_finite says so or another file cannot be read or written.
  void train();

 private:
  void run_steps();
  bool is_due(std::int64_t every) const;
  bool evaluation_is_due() const;
  bool sampling_is_due() const;
  void do_what_is_due();
  bool figures_are_due() const;
  void learn();
  void read_steps();
  void roll_back(const FailedStep& failed);
  void take(const Checkpoint& checkpoint);
  void start_lines();
  void log();
  void evaluate_now();
  void sample();
  void prepare_save();
  void save();
  void warn_of_changed_data();
  void save_last();
  void save_before_leaving();

  const Settings& settings_;
  const DataSet& data_;
  const RunFolder& run_;
  c10::Device device_;
  TrainingSequences sequences_;
  std::int64_t steps_;
  Learner learner_;
  CheckpointKeeper keeper_;
  TrainingProgress progress_;
  bool saved_ = true;  // a checkpoint holds all that there is; the initial weights need none
  StepLog step_log_;
  StepReview review_;
  DataWatch watch_;
  bool data_have_changed_ = false;  // and that has been said
  std::optional<MetricsLog> metrics_;
  std::optional<Progress> bar_;
};

}  // namespace sparse_transformer
