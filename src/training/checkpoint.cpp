#include "training/checkpoint.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "config/config.h"
#include "config/errors.h"
#include "config/scalars.h"
#include "data/data_settings.h"
#include "files/atomic_file.h"
#include "files/json.h"
#include "files/replace_folder.h"
#include "files/sha256.h"
#include "files/system_files.h"
#include "runtime/log.h"
#include "training/checkpoint_folder.h"
#include "training/settings.h"
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
constexpr std::size_t kMostStateBytes = std::size_t{1} << 20U;

Json manifest_of(const fs::path& folder) {
  Json files = Json::object();
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = sha256_of_file(entry.path());
  }
  return {{"sha256", files}};
}

using Hashes = std::map<std::string, std::string>;

std::string damaged(const fs::path& folder) { return folder.string() + ": damaged checkpoint: "; }

[[noreturn]] void throw_missing(const fs::path& folder, const std::string& name) {
  throw UserError(damaged(folder) + one_line(name) + " is missing");
}

/// What the manifest says, by the name of the file.
Hashes read_hashes(const fs::path& folder) {
  if (fs::is_symlink(folder) && !fs::exists(folder)) {
    throw UserError(folder.string() + ": the folder that this link points to is missing");
  }
  if (!fs::exists(folder / kManifest)) throw_missing(folder, kManifest);
  constexpr std::size_t kDepth = 2;
  try {
    return parse_json(read_file(folder / kManifest, kMostStateBytes), kDepth)
        .at("sha256")
        .get<Hashes>();
  } catch (const JsonFault& fault) {
    throw UserError(damaged(folder) + kManifest + " " + fault.what());
  } catch (const Json::exception&) {
    throw UserError(damaged(folder) + kManifest + " is not a list of checksums");
  }
}

void verify(const fs::path& folder, const Hashes& hashes, const std::string& name,
            const std::function<void()>& tick = {}) {
  if (!fs::exists(folder / name)) throw_missing(folder, name);
  const auto hash = hashes.find(name);
  if (hash == hashes.end() || hash->second.empty()) {
    throw UserError(damaged(folder) + kManifest + " does not name " + one_line(name));
  }
  if (sha256_of_file(folder / name, tick) != hash->second) {
    throw UserError(damaged(folder) + one_line(name) + " is not what was written (checksum)");
  }
}

/// A folder step-N holds the state after step N; one of another name may hold any.
void check_name(const fs::path& folder, std::int64_t step) {
  const auto named = named_step(folder);
  if (!named || *named == step) return;
  throw UserError(damaged(folder) + kState + " is of step " + std::to_string(step) +
                  ", not of the step in the folder's name");
}

/// The folder of a checkpoint under construction, removed at the end, unless it is whole and has
/// not got its name: then the next start of the run names it.
class UnfinishedCheckpoint {
 public:
  UnfinishedCheckpoint(fs::path parent, std::int64_t step)
      : parent_(std::move(parent)), step_(step), path_(unfinished_path(parent_, step)) {
    remove_folder(path_);
    std::error_code error;
    fs::create_directory(path_, error);  // CheckpointKeeper flushes its final name
    if (error) throw_file_error("create the folder", path_, error.value());
  }
  UnfinishedCheckpoint(const UnfinishedCheckpoint&) = delete;
  UnfinishedCheckpoint& operator=(const UnfinishedCheckpoint&) = delete;
  ~UnfinishedCheckpoint() {
    std::error_code ignored;
    const bool is_saved = fs::exists(final_path(), ignored);
    if (is_saved || !is_whole_) remove(path_);
    if (is_saved) remove(replaced_path(parent_, step_));
  }
  const fs::path& path() const { return path_; }

  /// Where this step was saved before (it has been evaluated since), this checkpoint replaces that.
  fs::path give_name() {
    is_whole_ = true;
    replace_folder(path_, final_path(), replaced_path(parent_, step_));
    return final_path();
  }

 private:
  static void remove(const fs::path& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) {
      log_warning(path.string() + " cannot be removed: " + error.message() +
                  "; the next start of the run tries again");
    }
  }
  fs::path final_path() const { return checkpoint_path(parent_, step_); }

  fs::path parent_;
  std::int64_t step_;
  fs::path path_;
  bool is_whole_ = false;
};

}  // namespace

fs::path write_checkpoint(const fs::path& parent, const CheckpointTensors& tensors,
                          TrainingProgress progress, const std::string& config_yaml) {
  make_folder(parent);
  progress.averaged = !tensors.average.empty();
  UnfinishedCheckpoint unfinished(parent, progress.step);
  const fs::path& folder = unfinished.path();
  const Metadata metadata = {{"format", "pt"},
                             {"sparse_transformer.step", std::to_string(progress.step)},
                             {"sparse_transformer.config", config_yaml}};
  write_tensors(folder / kModel, tensors.model, metadata);
  if (progress.averaged) write_tensors(folder / kAverage, tensors.average, metadata);
  write_tensors(folder / kOptimizer, tensors.optimizer, metadata);
  write_file(folder / kState, state_text(progress));
  write_file(folder / kConfig, config_yaml);
  write_file(folder / kManifest, json_text(manifest_of(folder), 2) + "\n");
  return unfinished.give_name();
}

CheckpointState read_state(const fs::path& folder) {
  const Hashes hashes = read_hashes(folder);
  for (const char* name : {kState, kConfig}) verify(folder, hashes, name);
  CheckpointState state;
  const fs::path state_file = folder / kState;
  state.progress = parse_state(read_file(state_file, kMostStateBytes), state_file.string());
  const fs::path config_file = folder / kConfig;
  state.config_yaml = read_file(config_file, kMostSettingsBytes);
  Settings settings;
  Config::from_text(state.config_yaml, config_file.string(), {}).read(settings);
  try {
    check_format(state.progress.format, settings.data);
  } catch (const SettingError& error) {
    throw UserError(state_file.string() + ": format." + error.what());
  }
  check_name(folder, state.progress.step);
  return state;
}

Checkpoint::Checkpoint(fs::path folder, const std::function<void()>& tick)
    : folder_(std::move(folder)), state_(read_state(folder_)) {
  Hashes hashes = read_hashes(folder_);
  // Files that the checkpoint has, or should have, are verified even where the manifest lacks them.
  hashes.try_emplace(kModel);
  hashes.try_emplace(kOptimizer);
  if (has_average()) hashes.try_emplace(kAverage);
  for (const auto& [name, hash] : hashes) verify(folder_, hashes, name, tick);
}

bool Checkpoint::has_average() const {
  return state_.progress.averaged || fs::exists(folder_ / kAverage);
}

void Checkpoint::read_model(const NamedTensors& model) const {
  read_tensors(folder_ / kModel, model);
}

void Checkpoint::read_average(const NamedTensors& average) const {
  read_tensors(folder_ / kAverage, average);
}

void Checkpoint::read_optimizer(const NamedTensors& optimizer) const {
  read_tensors(folder_ / kOptimizer, optimizer);
}

}  // namespace sparse_transformer
