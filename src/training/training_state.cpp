#include "training/training_state.h"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "config/words.h"
#include "files/json.h"

namespace sparse_transformer {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const RunningFigure& figure) {
  return {{"mean", figure.mean}, {"variance", figure.variance}, {"count", figure.count}};
}

RunningFigure figure_from_json(const Json& json) {
  return {.mean = json.at("mean").get<double>(),
          .variance = json.at("variance").get<double>(),
          .count = json.at("count").get<std::int64_t>()};
}

Json to_json(const StepSums& sums) {
  Json json = {{"steps", sums.steps}, {"taken", sums.taken}, {"nats", sums.nats}};
  if (sums.gradient_norm) json["gradient_norm"] = *sums.gradient_norm;
  json["loss_scale"] = sums.loss_scale;
  return json;
}

StepSums sums_from_json(const Json& json) {
  StepSums sums{.steps = json.at("steps").get<std::int64_t>(),
                .taken = json.at("taken").get<std::int64_t>(),
                .nats = json.at("nats").get<double>(),
                .gradient_norm = {},
                .loss_scale = json.at("loss_scale").get<double>()};
  if (json.contains("gradient_norm")) sums.gradient_norm = json.at("gradient_norm").get<double>();
  return sums;
}

Json to_json(const TokenFormat& format) {
  return {{"kind", word_of(TokenFormat::kKindWords, format.kind)},
          {"shape", format.shape},
          {"sample_rate", format.sample_rate},
          {"voices", format.voices},
          {"steps_per_beat", format.steps_per_beat},
          {"drums", format.drums}};
}

TokenFormat format_from_json(const Json& json) {
  const auto kind =
      meaning_of<TokenFormat::Kind>(TokenFormat::kKindWords, json.at("kind").get<std::string>());
  if (!kind) throw std::invalid_argument("no such kind of data");
  return {.kind = *kind,
          .shape = json.at("shape").get<std::vector<std::int64_t>>(),
          .sample_rate = json.at("sample_rate").get<std::int64_t>(),
          .voices = json.at("voices").get<std::int64_t>(),
          .steps_per_beat = json.at("steps_per_beat").get<std::int64_t>(),
          .drums = json.value("drums", false)};  // not in older states
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
  json["unlogged"] = to_json(progress.unlogged);
  json["averaged"] = progress.averaged;
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
  // Runs of version 0.1.0 and before have neither.
  if (json.contains("unlogged")) progress.unlogged = sums_from_json(json.at("unlogged"));
  progress.averaged = json.value("averaged", false);
  progress.machine = json.at("machine").get<std::map<std::string, std::string>>();
  // "attention": until other parts had a choice.
  for (const char* key : {"attention", "kernels"}) {
    if (json.contains(key)) progress.kernels = choice_from_json(json.at(key));
  }
  progress.data_hash = json.at("data_hash").get<std::string>();
  progress.format = format_from_json(json.at("format"));
  return progress;
}

}  // namespace

std::string state_text(const TrainingProgress& progress) {
  return json_text(to_json(progress), 2) + "\n";
}

TrainingProgress parse_state(const std::string& text) { return from_json(Json::parse(text)); }

}  // namespace sparse_transformer
