// The state of a run beside its tensors, and its JSON: the file state.json of a checkpoint.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "attention/kernels/kernels.h"
#include "data/token_data.h"
#include "training/divergence_watch.h"
#include "training/step_sums.h"

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
  StepSums unlogged;                           // since the last line of metrics.jsonl
  bool averaged = false;                       // the checkpoint has averaged weights
  std::map<std::string, std::string> machine;  // describe_machine()
  KernelChoice kernels;                        // where there was a choice (chosen_kernels.h)
  std::string data_hash;                       // DataSet::content_hash()
  TokenFormat format;                          // how samples become files
};

/// Returns the text of state.json.
std::string state_text(const TrainingProgress& progress);

/// Reads such a text; `name`: of its file, for errors. The text may come from anyone: every value
/// is checked for its type, its range and how it fits the others, as settings are. Throws UserError
/// "NAME:LINE: KEY: got VALUE, expected WHAT".
TrainingProgress parse_state(const std::string& text, const std::string& name);

}  // namespace sparse_transformer
