#include "training/evaluate_request.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "runtime/format.h"
#include "runtime/progress.h"
#include "runtime/stop.h"
#include "training/evaluation.h"
#include "training/trained_model.h"

namespace sparse_transformer {
namespace {

using Json = nlohmann::ordered_json;

EvaluationResult score(const TrainedModel& trained, const DataSet& data, Split split,
                       std::int64_t min_context) {
  std::optional<Progress> bar;
  return evaluate(
      *trained.model, data, split,
      {.min_context = min_context, .batch = trained.settings.training.sequences_at_a_time()},
      [&bar](std::int64_t done, std::int64_t total) {
        constexpr std::int64_t kLines = 20;
        if (!bar) bar.emplace("evaluate", 0, total, std::max<std::int64_t>(1, total / kLines));
        bar->update(done);
      });
}

Json to_json(const EvaluationResult& result, const EvaluateRequest& request,
             std::int64_t min_context, const TrainedModel& trained) {
  return {{"bits", result.bits},          {"tokens", result.tokens},
          {"examples", result.examples},  {"split", split_name(request.split)},
          {"weights", trained.weights()}, {"min_context", min_context},
          {"step", trained.step},         {"checkpoint", trained.checkpoint.string()}};
}

std::string to_text(const EvaluationResult& result, const EvaluateRequest& request,
                    std::int64_t min_context, const TrainedModel& trained, const DataSet& data) {
  const bool pictures = data.format.kind == TokenFormat::Kind::kPicture;
  std::string text =
      format_fixed(result.bits, 4) + (pictures ? " bits a dimension" : " bits a byte");
  text += ", " + std::string(split_name(request.split)) + " split, " + format_count(result.tokens) +
          " tokens in " + format_count(result.examples) +
          (data.is_stream() ? " windows" : " items");
  if (min_context > 0) text += ", at least " + format_count(min_context) + " tokens of context";
  return text + ", " + trained.weights() + " weights of step " + format_count(trained.step) + "\n";
}

}  // namespace

std::string run_evaluation(const EvaluateRequest& request) {
  const StopSignals stop_signals;
  TrainedModel trained = find_trained_model(request.model, request.overrides);
  const DataSet data = open_data(trained.settings, trained.config);
  load_weights(trained);
  Json results = Json::array();
  std::string text;
  for (const std::int64_t min_context : request.min_contexts) {
    const EvaluationResult result = score(trained, data, request.split, min_context);
    results.push_back(to_json(result, request, min_context, trained));
    text += to_text(result, request, min_context, trained, data);
  }
  if (!request.json) return text;
  Json json = results.front();
  if (results.size() > 1) json["results"] = results;
  return json.dump() + "\n";
}

}  // namespace sparse_transformer
