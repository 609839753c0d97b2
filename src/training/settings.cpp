#include "training/settings.h"

#include <filesystem>
#include <variant>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

void check(const TrainingSettings& training) {
  if (training.steps && training.epochs) {
    throw SettingError("training.epochs", "steps are given too; give one of them");
  }
  if (training.sequences_at_a_time() > training.batch) {
    throw SettingError("training.micro_batch", std::to_string(training.sequences_at_a_time()) +
                                                   " sequences are more than the batch of " +
                                                   std::to_string(training.batch));
  }
}

/// So that a run's resolved settings mean the same wherever they are read.
void make_absolute(std::vector<std::string>& paths) {
  for (std::string& path : paths) {
    path = std::filesystem::absolute(path).lexically_normal().string();
  }
}

void make_paths_absolute(DataSettings& data) {
  make_absolute(data.path);
  for (NumberOrPaths* split : {&data.split.valid, &data.split.test}) {
    if (auto* paths = std::get_if<std::vector<std::string>>(split)) make_absolute(*paths);
  }
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
  try {
    resolve(settings.model, settings.data.sequence_length(), settings.data.picture_shape());
    check(settings.training);
  } catch (const SettingError& error) {
    const std::string origin = config.origin(error.key());
    throw UserError((origin.empty() ? "" : origin + ": ") + error.what());
  }
  return settings;
}

SequenceLayout sequence_layout(const Settings& settings) {
  return sequence_layout(settings.data.sequence_length(), settings.data.picture_shape(),
                         *settings.model.attention.stride);
}

}  // namespace sparse_transformer
