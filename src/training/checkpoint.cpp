#include "training/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "config/errors.h"
#include "config/words.h"
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

Json to_json(const RunningFigure& figure) {
  return {{"mean", figure.mean}, {"variance", figure.variance}, {"count", figure.count}};
}

RunningFigure figure_from_json(const Json& json) {
  return {.mean = json.at("mean").get<double>(),
          .variance = json.at("variance").get<double>(),
          .count = json.at("count").get<std::int64_t>()};
}

Json to_json(const TokenFormat& format) {
  return {{"kind", word_of(TokenFormat::kKindWords, format.kind)},
          {"shape", format.shape},
          {"sample_rate", format.sample_rate},
          {"voices", format.voices},
          {"steps_per_beat", format.steps_per_beat}};
}

TokenFormat format_from_json(const Json& json) {
  const auto kind =
      meaning_of<TokenFormat::Kind>(TokenFormat::kKindWords, json.at("kind").get<std::string>());
  if (!kind) throw std::invalid_argument("no such kind of data");
  return {.kind = *kind,
          .shape = json.at("shape").get<std::vector<std::int64_t>>(),
          .sample_rate = json.at("sample_rate").get<std::int64_t>(),
          .voices = json.at("voices").get<std::int64_t>(),
          .steps_per_beat = json.at("steps_per_beat").get<std::int64_t>()};
}

Json to_json(const KernelChoice& choice) {
  Json json = Json::object();
  for (const auto& [part, kernel] : choice) json[part] = word_of(kKernelKindWords, kernel);
  return json;
}

KernelChoice choice_from_json(const Json& json) {
  KernelChoice choice;
  for (const auto& [part, word] : json.items()) {
    const auto kernel = meaning_of<KernelKind>(kKernelKindWords, word.get<std::string>());
    if (!kernel) throw std::invalid_argument("no such kernel");
    choice[part] = *kernel;
  }
  return choice;
}

Json to_json(const TrainingProgress& progress) {
  Json json;
  json["step"] = progress.step;
  json["evaluated"] = progress.evaluated;
  json["sampled"] = progress.sampled;
  if (progress.best_bits) json["best_bits"] = *progress.best_bits;
  json["best_step"] = progress.best_step;
  json["skipped_steps"] = progress.skipped_steps;
  json["skipped_in_a_row"] = progress.skipped_in_a_row;
  if (progress.loss_scale) json["loss_scale"] = *progress.loss_scale;
  json["passed_over"] = progress.passed_over;
  json["rollbacks"] = progress.rollbacks;
  json["watch"] = {{"loss", to_json(progress.watch.loss)},
                   {"gradient_norm", to_json(progress.watch.gradient_norm)},
                   {"calm_steps", progress.watch.calm_steps}};
  json["machine"] = progress.machine;
  if (!progress.kernels.empty()) json["kernels"] = to_json(progress.kernels);
  json["data_hash"] = progress.data_hash;
  json["format"] = to_json(progress.format);
  return json;
}

TrainingProgress from_json(const Json& json) {
  TrainingProgress progress;
  progress.step = json.at("step").get<std::int64_t>();
  progress.evaluated = json.at("evaluated").get<std::int64_t>();
  progress.sampled = json.at("sampled").get<std::int64_t>();
  if (json.contains("best_bits")) progress.best_bits = json.at("best_bits").get<double>();
  progress.best_step = json.at("best_step").get<std::int64_t>();
  progress.skipped_steps = json.at("skipped_steps").get<std::int64_t>();
  progress.skipped_in_a_row = json.at("skipped_in_a_row").get<std::int64_t>();
  if (json.contains("loss_scale")) progress.loss_scale = json.at("loss_scale").get<double>();
  progress.passed_over = json.at("passed_over").get<std::int64_t>();
  progress.rollbacks = json.at("rollbacks").get<std::int64_t>();
  const Json& watch = json.at("watch");
  progress.watch = {.loss = figure_from_json(watch.at("loss")),
                    .gradient_norm = figure_from_json(watch.at("gradient_norm")),
                    .calm_steps = watch.at("calm_steps").get<std::int64_t>()};
  progress.machine = json.at("machine").get<std::map<std::string, std::string>>();
  // "attention": until other parts had a choice.
  for (const char* key : {"attention", "kernels"}) {
    if (json.contains(key)) progress.kernels = choice_from_json(json.at(key));
  }
  progress.data_hash = json.at("data_hash").get<std::string>();
  progress.format = format_from_json(json.at("format"));
  return progress;
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

void verify(const fs::path& folder, const Hashes& hashes, const std::string& name,
            const std::function<void()>& tick = {}) {
  const auto hash = hashes.find(name);
  if (hash == hashes.end() || !fs::exists(folder / name)) {
    throw UserError(damaged(folder) + name + " is missing");
  }
  if (sha256_of_file(folder / name, tick) != hash->second) {
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
  write_file(folder.path() / kState, to_json(progress).dump(2) + "\n");
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
    state.progress = from_json(Json::parse(text));
  } catch (const std::exception&) {
    throw UserError(folder.string() + ": " + kState + " is not a training state");
  }
  state.config_yaml = read_file(folder / kConfig);
  return state;
}

Checkpoint::Checkpoint(fs::path folder, const std::function<void()>& tick)
    : folder_(std::move(folder)), state_(read_state(folder_)) {
  const Hashes hashes = read_hashes(folder_);
  for (const auto& [name, hash] : hashes) verify(folder_, hashes, name, tick);
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
