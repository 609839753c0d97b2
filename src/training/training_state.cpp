#include "training/training_state.h"

#include <array>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "config/errors.h"
#include "config/scalars.h"
#include "config/words.h"
#include "training/limits.h"

namespace sparse_transformer {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const RunningFigure& figure) {
  return {{"mean", figure.mean}, {"variance", figure.variance}, {"count", figure.count}};
}

Json to_json(const StepSums& sums) {
  Json json = {{"steps", sums.steps}, {"taken", sums.taken}, {"nats", sums.nats}};
  if (sums.gradient_norm) json["gradient_norm"] = *sums.gradient_norm;
  json["loss_scale"] = sums.loss_scale;
  return json;
}

Json to_json(const TokenFormat& format) {
  return {{"kind", word_of(TokenFormat::kKindWords, format.kind)},
          {"shape", format.shape},
          {"sample_rate", format.sample_rate},
          {"voices", format.voices},
          {"steps_per_beat", format.steps_per_beat},
          {"drums", format.drums}};
}

Json to_json(const KernelChoice& choice) {
  Json json = Json::object();
  for (const auto& [part, kernel] : choice) json[part] = word_of(kKernelKindWords, kernel);
  return json;
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
  json["unlogged"] = to_json(progress.unlogged);
  json["averaged"] = progress.averaged;
  json["machine"] = progress.machine;
  if (!progress.kernels.empty()) json["kernels"] = to_json(progress.kernels);
  json["data_hash"] = progress.data_hash;
  json["format"] = to_json(progress.format);
  return json;
}

// ---- reading: the state is a config whose fields are these ----

// float32's largest number and its square: what figures of finite losses and norms stay below.
constexpr double kMostFigure = 3.5e38;
constexpr double kMostVariance = 1.3e77;

constexpr Range<std::int64_t> kCount = {.low = 0, .high = kMostSteps};
constexpr Range<double> kScale = {.low = 0.0, .high = kMostFigure, .above = true};

struct FigureFields {
  RunningFigure& figure;
  void describe(FieldVisitor& visit) {
    visit.field("mean", figure.mean, "", between(0.0, kMostFigure));
    visit.field("variance", figure.variance, "", between(0.0, kMostVariance));
    visit.field("count", figure.count, "", kCount);
  }
};

struct WatchFields {
  WatchState& watch;
  void describe(FieldVisitor& visit) {
    FigureFields loss{watch.loss}, gradient_norm{watch.gradient_norm};
    visit.section("loss", loss, "");
    visit.section("gradient_norm", gradient_norm, "");
    visit.field("calm_steps", watch.calm_steps, "", between<std::int64_t>(0, WatchState::kCalm));
  }
};

struct SumFields {
  StepSums& sums;
  void describe(FieldVisitor& visit) {
    visit.field("steps", sums.steps, "", kCount);
    visit.field("taken", sums.taken, "", kCount);
    visit.field("nats", sums.nats, "", between(0.0, kMostVariance));
    visit.field("gradient_norm", sums.gradient_norm, "", between(0.0, kMostFigure));
    visit.field("loss_scale", sums.loss_scale, "", kScale);
  }
};

struct FormatFields {
  TokenFormat& format;
  void describe(FieldVisitor& visit) {
    visit.choice("kind", format.kind, TokenFormat::kKindWords, "");
    visit.field("shape", format.shape, "", between<std::int64_t>(1, kMostPictureSide));
    visit.field("sample_rate", format.sample_rate, "", between<std::int64_t>(0, kMostSampleRate));
    visit.field("voices", format.voices, "", between<std::int64_t>(0, kMostVoices));
    visit.field("steps_per_beat", format.steps_per_beat, "",
                between<std::int64_t>(0, kMostStepsPerBeat));
    visit.field("drums", format.drums, "");
  }
};

struct StateFields {
  TrainingProgress& progress;
  Texts kernels = {};
  Texts attention = {};  // the name of `kernels` until other parts had a choice

  void describe(FieldVisitor& visit) {
    visit.field("step", progress.step, "", kCount);
    visit.field("evaluated", progress.evaluated, "", kCount);
    visit.field("sampled", progress.sampled, "", kCount);
    visit.field("best_bits", progress.best_bits, "", between(0.0, kMostFigure));
    visit.field("best_step", progress.best_step, "", kCount);
    visit.field("skipped_steps", progress.skipped_steps, "", kCount);
    visit.field("skipped_in_a_row", progress.skipped_in_a_row, "", kCount);
    visit.field("loss_scale", progress.loss_scale, "", kScale);
    visit.field("passed_over", progress.passed_over, "",
                between<std::int64_t>(0, kMostSteps * kMostBatch));
    visit.field("rollbacks", progress.rollbacks, "", kCount);
    WatchFields watch{progress.watch};
    visit.section("watch", watch, "");
    SumFields unlogged{progress.unlogged};
    visit.section("unlogged", unlogged, "");
    visit.field("averaged", progress.averaged, "");
    visit.field("machine", progress.machine, "");
    visit.field("kernels", kernels, "");
    visit.field("attention", attention, "");
    visit.field("data_hash", progress.data_hash, "");
    FormatFields format{progress.format};
    visit.section("format", format, "");
  }
};

/// What every program wrote since commit 6a0b655. What came later may be absent.
constexpr std::array kRequired = {"step",
                                  "evaluated",
                                  "sampled",
                                  "best_step",
                                  "skipped_steps",
                                  "skipped_in_a_row",
                                  "passed_over",
                                  "rollbacks",
                                  "watch.loss.mean",
                                  "watch.loss.variance",
                                  "watch.loss.count",
                                  "watch.gradient_norm.mean",
                                  "watch.gradient_norm.variance",
                                  "watch.gradient_norm.count",
                                  "watch.calm_steps",
                                  "machine",
                                  "data_hash",
                                  "format.kind",
                                  "format.shape",
                                  "format.sample_rate",
                                  "format.voices",
                                  "format.steps_per_beat"};

KernelChoice choice_of(const Texts& words, const char* key) {
  KernelChoice choice;
  for (const auto& [part, word] : words) {
    const auto kernel = meaning_of<KernelKind>(kKernelKindWords, word);
    if (!kernel) {
      throw SettingError(key, "got " + one_line(word) + " for " + one_line(part) +
                                  ", expected one of own, flash, cublas");
    }
    choice[part] = *kernel;
  }
  return choice;
}

void check_at_most(const char* key, std::int64_t number, const char* limit, std::int64_t most) {
  if (number <= most) return;
  throw SettingError(key, "got " + std::to_string(number) + ", expected at most the " +
                              std::to_string(most) + " of " + limit);
}

void check_hash(const std::string& hash) {
  constexpr std::size_t kDigits = 64;
  if (hash.empty()) return;
  if (hash.size() == kDigits && hash.find_first_not_of("0123456789abcdef") == std::string::npos) {
    return;
  }
  throw SettingError("data_hash", "got " + one_line(hash) + ", expected a SHA-256 in 64 digits");
}

void check_texts(const char* key, const Texts& texts) {
  constexpr std::size_t kMostBytes = 1000;
  for (const auto& [name, text] : texts) {
    if (name.size() <= kMostBytes && text.size() <= kMostBytes) continue;
    throw SettingError(key, "got " + one_line(name) + ": " + one_line(text) +
                                ", expected at most 1000 bytes each");
  }
}

/// Checks how the values fit each other. Throws SettingError.
void check(const TrainingProgress& progress) {
  check_at_most("evaluated", progress.evaluated, "step", progress.step);
  check_at_most("sampled", progress.sampled, "step", progress.step);
  check_at_most("best_step", progress.best_step, "step", progress.step);
  check_at_most("skipped_steps", progress.skipped_steps, "step", progress.step);
  check_at_most("skipped_in_a_row", progress.skipped_in_a_row, "skipped_steps",
                progress.skipped_steps);
  check_at_most("watch.loss.count", progress.watch.loss.count, "step", progress.step);
  check_at_most("watch.gradient_norm.count", progress.watch.gradient_norm.count, "step",
                progress.step);
  check_at_most("unlogged.steps", progress.unlogged.steps, "step", progress.step);
  check_at_most("unlogged.taken", progress.unlogged.taken, "unlogged.steps",
                progress.unlogged.steps);
  check_texts("machine", progress.machine);
  check_hash(progress.data_hash);
  try {
    check_format(progress.format);
  } catch (const SettingError& error) {
    const std::string problem = std::string(error.what()).substr(error.key().size() + 2);
    throw SettingError("format." + error.key(), problem);
  }
}

TrainingProgress read(const Config& config) {
  TrainingProgress progress;
  StateFields fields{progress};
  config.read(fields);
  for (const char* key : kRequired) {
    if (!config.gives(key)) throw SettingError(key, "missing; expected a training state");
  }
  progress.kernels = choice_of(fields.kernels, "kernels");
  progress.kernels.merge(choice_of(fields.attention, "attention"));
  check(progress);
  return progress;
}

}  // namespace

std::string state_text(const TrainingProgress& progress) {
  // In UTF-8, because the reader is YAML's and does not join JSON's pairs of surrogates.
  constexpr bool kInAscii = false;
  return to_json(progress).dump(2, ' ', kInAscii, Json::error_handler_t::replace) + "\n";
}

TrainingProgress parse_state(const std::string& text, const std::string& name) {
  if (!Json::accept(text)) throw UserError(name + ": not JSON, expected a training state");
  const Config config = Config::from_text(text, name, {});  // JSON is YAML, too
  try {
    return read(config);
  } catch (const SettingError& error) {
    const std::string origin = config.origin(error.key());
    throw UserError((origin.empty() ? name : origin) + ": " + error.what());
  }
}

}  // namespace sparse_transformer
