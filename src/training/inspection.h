// What a config, a run or a checkpoint is, and what its model costs. No data is opened and no model
// built.
#pragma once

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
  std::optional<TrainingProgress> progress;  // of a checkpoint
};

/// `paths`: config files, or one folder: a run, or a checkpoint, whose checksums are verified then.
/// Throws UserError.
Inspection inspect(const std::vector<std::string>& paths,
                   const std::vector<std::string>& overrides);

/// For people: figures, where a checkpoint stands, tensors.
std::string inspection_text(const Inspection& inspection);

/// One JSON object: parameters, flops_per_token, attention_pairs_per_query, memory_bytes, and of a
/// checkpoint step.
std::string inspection_json(const Inspection& inspection);

}  // namespace sparse_transformer
