// What `train` was asked for, made into a run: a new one, or one that goes on.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sparse_transformer {

struct TrainRequest {
  std::vector<std::string> files;
  std::vector<std::string> overrides;
  std::optional<std::filesystem::path> run;  // the run's folder
  bool resume = false;                       // go on with what is in it
  std::optional<std::filesystem::path>
      init_from;  // a run or checkpoint whose weights a new run starts from
};

/// Trains. Throws UserError: a folder that holds a run already, settings that a resumed run may not
/// change (each with both values), a damaged checkpoint (the one before it is named), weights of
/// --init-from that do not fit (with the settings that differ).
void run_training(const TrainRequest& request);

/// What `train` would do, with nothing written: the resolved settings (returned as YAML), and in
/// the log sizes, memory, steps and how the data begin. Throws UserError where `train` would.
std::string dry_run(const TrainRequest& request);

}  // namespace sparse_transformer
