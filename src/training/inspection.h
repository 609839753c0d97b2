// What a config, a run or a checkpoint is, and what its model costs. No data is opened and no model
// built.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/size.h"
#include "training/checkpoint.h"
#include "training/settings.h"

namespace sparse_transformer {

struct Inspection {
  Settings settings;
  ModelSize size;
  /// memory_bytes() for each choice of training.recompute, the others as they are.
  std::array<std::int64_t, kRecomputeWords.size()> memory_by_recompute = {};
  std::optional<std::int64_t> steps;         // of the whole run, where the config says
  std::optional<TrainingProgress> progress;  // of a checkpoint
};

/// `paths`: config files, or one folder: a run, or a checkpoint, whose checksums are verified then.
/// Throws UserError.
Inspection inspect(const std::vector<std::string>& paths,
                   const std::vector<std::string>& overrides);

/// For people: figures, where a checkpoint stands, tensors.
std::string inspection_text(const Inspection& inspection);

/// One JSON object: parameters, flops_per_token, attention_pairs_per_query, memory_bytes,
/// memory_bytes_by_recompute (an object of the three); where the run's length is known, steps,
/// total_flops and assumed_h100_seconds; of a checkpoint, step.
std::string inspection_json(const Inspection& inspection);

}  // namespace sparse_transformer
