// The training loop.
#pragma once

#include <filesystem>
#include <optional>

#include "data/token_data.h"
#include "training/learner.h"
#include "training/run_folder.h"
#include "training/settings.h"

namespace sparse_transformer {

/// Steps of a whole run: training.steps, or its epochs over the training split.
std::int64_t total_steps(const Settings& settings, const DataSet& data);

/// Trains in a run folder until its last step, going on from `resume_from` where that is given.
/// Throws Interrupted after saving where a signal asked to stop; WorldError where the loss is not
/// finite or the disk is full.
void train(const Settings& settings, const DataSet& data, const RunFolder& run,
           const std::optional<std::filesystem::path>& resume_from,
           const std::optional<std::filesystem::path>& weights_from);

}  // namespace sparse_transformer
