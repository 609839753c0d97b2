#include "training/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "files/sha256.h"
#include "files/system_files.h"
#include "training/tensor_file.h"

namespace sparse_transformer {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr const char* kModel = "model.safetensors";
constexpr const char* kAverage = "average.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kState = "state.json";
constexpr const char* kConfig = "config.yaml";
constexpr const char* kManifest = "manifest.json";
constexpr std::string_view kPrefix = "step-";

std::string folder_name(std::int64_t step) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "step-%08lld", static_cast<long long>(step));
  return name.data();
}

bool is_checkpoint_name(const std::string& name) {
  const std::string_view digits =
      name.starts_with(kPrefix) ? std::string_view(name).substr(kPrefix.size()) : "";
  return !digits.empty() && digits.size() <= 18 &&
         std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Json manifest_of(const fs::path& folder) {
  Json files = Json::object();
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = sha256_of_file(entry.path());
  }
  return {{"sha256", files}};
}

using Hashes = std::map<std::string, std::string>;

std::string damaged(const fs::path& folder) { return folder.string() + ": damaged checkpoint: "; }

/// What the manifest says, by the name of the file.
Hashes read_hashes(const fs::path& folder) {
  try {
    return Json::parse(read_file(folder / kManifest)).at("sha256").get<Hashes>();
  } catch (const Json::exception&) {
    throw UserError(damaged(folder) + kManifest + " cannot be read");
  }
}

void verify(const fs::path& folder, const Hashes& hashes, const std::string& name) {
  const auto hash = hashes.find(name);
  if (hash == hashes.end() || !fs::exists(folder / name)) {
    throw UserError(damaged(folder) + name + " is missing");
  }
  if (sha256_of_file(folder / name) != hash->second) {
    throw UserError(damaged(folder) + name + " is not what was written (checksum)");
  }
}

/// A folder under construction, removed unless it is given its name.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(fs::path path) : path_(std::move(path)) {
    fs::remove_all(path_);
    make_folder(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

  /// Where this step was saved before (it has been evaluated since), the two change places, so that
  /// one of them is there at every moment.
  void rename_to(const fs::path& final_path) {
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, final_path.c_str(), RENAME_EXCHANGE) != 0) {
      fs::remove_all(final_path);  // nothing, or a file system that cannot exchange names
      fs::rename(path_, final_path);
    }
    flush_folder(final_path.parent_path());
  }

 private:
  fs::path path_;
};

}  // namespace

fs::path write_checkpoint(const fs::path& parent, const CheckpointTensors& tensors,
                          const TrainingProgress& progress, const std::string& config_yaml) {
  make_folder(parent);
  const std::string name = folder_name(progress.step);
  TemporaryFolder folder(parent / (".tmp-" + name));
  const Metadata metadata = {{"format", "pt"},
                             {"sparse_transformer.step", std::to_string(progress.step)},
                             {"sparse_transformer.config", config_yaml}};
  write_tensors(folder.path() / kModel, tensors.model, metadata);
  if (!tensors.average.empty()) {
    write_tensors(folder.path() / kAverage, tensors.average, metadata);
  }
  write_tensors(folder.path() / kOptimizer, tensors.optimizer, metadata);
  write_file(folder.path() / kState, state_text(progress));
  write_file(folder.path() / kConfig, config_yaml);
  write_file(folder.path() / kManifest, manifest_of(folder.path()).dump(2) + "\n");
  folder.rename_to(parent / name);
  return parent / name;
}

CheckpointState read_state(const fs::path& folder) {
  const Hashes hashes = read_hashes(folder);
  for (const char* name : {kState, kConfig}) verify(folder, hashes, name);
  CheckpointState state;
  const std::string text = read_file(folder / kState);
  try {
    state.progress = parse_state(text);
  } catch (const std::exception&) {
    throw UserError(folder.string() + ": " + kState + " is not a training state");
  }
  state.config_yaml = read_file(folder / kConfig);
  return state;
}

Checkpoint::Checkpoint(fs::path folder) : folder_(std::move(folder)), state_(read_state(folder_)) {
  const Hashes hashes = read_hashes(folder_);
  for (const auto& [name, hash] : hashes) verify(folder_, hashes, name);
}

bool Checkpoint::has_average() const { return fs::exists(folder_ / kAverage); }

void Checkpoint::read_model(const NamedTensors& model) const {
  read_tensors(folder_ / kModel, model);
}

void Checkpoint::read_average(const NamedTensors& average) const {
  read_tensors(folder_ / kAverage, average);
}

void Checkpoint::read_optimizer(const NamedTensors& optimizer) const {
  read_tensors(folder_ / kOptimizer, optimizer);
}

std::vector<fs::path> list_checkpoints(const fs::path& parent) {
  std::vector<fs::path> folders;
  if (!fs::is_directory(parent)) return folders;
  for (const auto& entry : fs::directory_iterator(parent)) {
    if (entry.is_directory() && !entry.is_symlink() &&
        is_checkpoint_name(entry.path().filename().string())) {
      folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end(), [](const fs::path& a, const fs::path& b) {
    return checkpoint_step(a) < checkpoint_step(b);
  });
  return folders;
}

std::int64_t checkpoint_step(const fs::path& folder) {
  return std::stoll(folder.filename().string().substr(kPrefix.size()));
}

}  // namespace sparse_transformer
