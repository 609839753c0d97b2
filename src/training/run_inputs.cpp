#include "training/run_inputs.h"

#include <string>
#include <system_error>
#include <variant>

#include "config/errors.h"
#include "training/settings.h"

namespace sparse_transformer {

namespace fs = std::filesystem;

namespace {

/// Returns what the config of a run or a checkpoint names; nothing where it is missing or damaged,
/// because a report does without it.
std::vector<fs::path> named_by_config_of(const fs::path& folder) {
  try {
    return inputs_of(open_config({folder.string()}, {}));
  } catch (const UserError&) {
    return {};
  }
}

}  // namespace

std::vector<fs::path> inputs_of(const Config& config) {
  Settings settings;
  config.read(settings);
  std::vector<fs::path> inputs(config.files().begin(), config.files().end());
  for (const std::string& path : settings.data.paths()) inputs.emplace_back(path);
  for (const auto& [name, definition] : settings.model.attention.define) {
    const auto* layout = std::get_if<LayoutPattern>(&definition.kind);
    if (layout == nullptr) continue;
    inputs.insert(inputs.end(), layout->path.begin(), layout->path.end());
  }
  return inputs;
}

std::vector<fs::path> inputs_of_run(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return {};  // a config may be a pipe, read only once
  std::vector<fs::path> inputs = named_by_config_of(folder);
  fs::path run = fs::weakly_canonical(folder, ignored);
  if (fs::exists(run / "manifest.json", ignored)) inputs.push_back(run);
  if (run.parent_path().filename() == "checkpoints") run = run.parent_path().parent_path();
  for (const char* name :
       {"config.yaml", "log.txt", "metrics.jsonl", "checkpoints", "samples", "lock"}) {
    inputs.push_back(run / name);
  }
  for (const auto& entry : fs::directory_iterator(run, ignored)) {
    if (entry.path().filename().native().starts_with("events.out.tfevents."))
      inputs.push_back(entry.path());
  }
  return inputs;
}

}  // namespace sparse_transformer
