// What no command may write its output over.
#pragma once

#include <filesystem>
#include <vector>

#include "config/config.h"

namespace sparse_transformer {

/// Returns the config's files, with those of `base:`, and the files and folders that its settings
/// name: data and layouts. Throws UserError as Config::read().
std::vector<std::filesystem::path> inputs_of(const Config& config);

/// Returns the files and folders that `train` keeps in a run's folder, or in that of a checkpoint's
/// run, and what inputs_of() the run's config are, if it can be read.
std::vector<std::filesystem::path> inputs_of_run(const std::filesystem::path& folder);

}  // namespace sparse_transformer
