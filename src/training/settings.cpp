#include "training/settings.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <variant>

#include "config/characters.h"
#include "config/errors.h"
#include "files/atomic_file.h"
#include "runtime/log.h"
#include "runtime/task.h"
#include "training/run_folder.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;

void check(const TrainingSettings& training, std::int64_t length) {
  if (training.steps && training.epochs) {
    throw SettingError(
        "training.epochs",
        "steps are given too; leave one of them out, as by --set training.steps=null");
  }
  if (training.sequences_at_a_time() > training.batch) {
    throw SettingError("training.micro_batch", std::to_string(training.sequences_at_a_time()) +
                                                   " sequences are more than the batch of " +
                                                   std::to_string(training.batch));
  }
  constexpr std::int64_t kMostTokens = std::int64_t{1} << 36U;  // a step; below, bytes fit 64 bits
  if (training.batch > kMostTokens / length) {
    throw SettingError("training.batch", std::to_string(training.batch) + " sequences of " +
                                             std::to_string(length) +
                                             " tokens are too many for a step, expected at most " +
                                             std::to_string(kMostTokens / length));
  }
}

/// So that a run's resolved settings mean the same wherever they are read.
void make_absolute(std::vector<std::string>& paths) {
  for (std::string& path : paths) {
    path = fs::absolute(path).lexically_normal().string();
  }
}

void make_paths_absolute(DataSettings& data) {
  make_absolute(data.path);
  for (NumberOrPaths* split : {&data.split.valid, &data.split.test}) {
    if (auto* paths = std::get_if<std::vector<std::string>>(split)) make_absolute(*paths);
  }
}

/// Returns the pattern for a config that names none: fixed for text, strided for data with a
/// period, as the paper advises (§4.3, 7.2) and small models confirm (docs/measurements). Packed
/// data get strided: their kind is known only once their file is open.
WordLists default_layers(const DataSettings& data) {
  const std::optional<TokenFormat> format = data.token_format();
  const bool is_text = format && format->kind == TokenFormat::Kind::kBytes;
  return {{is_text ? "fixed" : "strided"}};
}

/// What the action gives; a setting at fault is named with where the config gave it.
template <typename Action>
auto with_origin(const Config& config, const Action& action) {
  try {
    return action();
  } catch (const SettingError& error) {
    const std::string origin = config.origin(error.key());
    throw UserError((origin.empty() ? "" : origin + ": ") + error.what() +
                    strange_character(error.what()));
  }
}

/// Names ten of them and counts the others.
void warn_of_each(std::string_view what, const std::vector<std::string>& sentences) {
  constexpr std::size_t kNamed = 10;
  const std::size_t count = sentences.size();
  for (std::size_t i = 0; i < std::min(count, kNamed); ++i) {
    log_warning(std::string(what) + sentences[i]);
  }
  if (count > kNamed) {
    log_warning(std::string(what) + std::to_string(count - kNamed) + " more files");
  }
}

void warn_of_losses(const DataSet& data) {
  for (const std::string& loss : data.left_out) log_warning("left out: " + loss);
  std::vector<std::string> reasons;
  for (const SkippedFile& file : data.skipped) reasons.push_back(file.reason);
  warn_of_each("skipped: ", reasons);
  warn_of_each("", data.warnings);
}

}  // namespace

void Settings::describe(FieldVisitor& visit) {
  visit.section("data", data, "what the model learns from");
  visit.section("model", model, "the Sparse Transformer");
  visit.section("training", training, "how it learns");
}

Settings read_settings(const Config& config) {
  Settings settings;
  config.read(settings);
  make_paths_absolute(settings.data);
  with_origin(config, [&settings] {
    WordLists& layers = settings.model.attention.layers;
    if (layers.empty()) layers = default_layers(settings.data);
    resolve(settings.model, settings.data.sequence_length(), settings.data.picture_shape());
    check(settings.training, settings.data.sequence_length());
  });
  return settings;
}

Config open_config(const std::vector<std::string>& paths,
                   const std::vector<std::string>& overrides) {
  std::error_code ignored;
  if (paths.size() != 1 || !fs::is_directory(paths.front(), ignored)) {
    return {paths, overrides};
  }
  const fs::path file = RunFolder(paths.front()).config_to_read();
  if (!fs::exists(file, ignored)) {
    throw UserError(paths.front() +
                    ": neither a run nor a checkpoint: it has no config.yaml; expected one of "
                    "these, or config files");
  }
  return Config::from_text(read_file(file, kMostSettingsBytes), file.string(), overrides);
}

DataSet open_data(const Settings& settings, const Config& config) {
  DataSet data = with_origin(config, [&settings] {
    return with_progress("decode", [&settings](const DataProgress& progress) {
      return open_data(settings.data, progress);
    });
  });
  warn_of_losses(data);
  return data;
}

SequenceLayout sequence_layout(const Settings& settings) {
  return sequence_layout(settings.data.sequence_length(), settings.data.picture_shape(),
                         *settings.model.attention.stride);
}

}  // namespace sparse_transformer
