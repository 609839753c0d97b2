// What no command may write its output over.
#pragma once

#include <filesystem>
#include <vector>

namespace sparse_transformer {

/// What is read of a run, of a checkpoint or of a file: the config, the log, the figures and the
/// checkpoints of the run that it belongs to, and itself.
std::vector<std::filesystem::path> inputs_of_run(const std::filesystem::path& named);

}  // namespace sparse_transformer
