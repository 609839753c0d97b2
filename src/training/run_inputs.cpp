#include "training/run_inputs.h"

#include <system_error>

namespace sparse_transformer {

namespace fs = std::filesystem;

std::vector<fs::path> inputs_of_run(const fs::path& named) {
  std::error_code ignored;
  std::vector<fs::path> inputs;
  fs::path folder = fs::weakly_canonical(named, ignored);
  if (!fs::is_directory(folder, ignored)) {
    inputs.push_back(folder);
    folder = folder.parent_path();
  }
  if (fs::exists(folder / "manifest.json", ignored)) inputs.push_back(folder);
  if (folder.parent_path().filename() == "checkpoints") folder = folder.parent_path().parent_path();
  for (const char* name : {"config.yaml", "log.txt", "metrics.jsonl", "checkpoints"}) {
    inputs.push_back(folder / name);
  }
  return inputs;
}

}  // namespace sparse_transformer
