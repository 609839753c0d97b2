#include "training/evaluate_request.h"

#include <algorithm>
#include <memory>

#include "config/words.h"
#include "files/json.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "runtime/progress.h"
#include "runtime/stop.h"
#include "training/evaluation.h"
#include "training/trained_model.h"

namespace sparse_transformer {
namespace {

using Json = nlohmann::ordered_json;

EvaluationResult score(const TrainedModel& trained, const DataSet& data, Split split,
                       std::int64_t min_context) {
  Progress bar("evaluate");
  return evaluate(
      *trained.model, data, split,
      {.min_context = min_context, .batch = trained.settings.training.sequences_at_a_time()},
      [&bar](std::int64_t done, std::int64_t total) { bar.update(done, total); });
}

Json to_json(const EvaluationResult& result, const EvaluateRequest& request,
             std::int64_t min_context, const TrainedModel& trained) {
  return {{"bits", result.bits},          {"tokens", result.tokens},
          {"examples", result.examples},  {"split", word_of(kSplitWords, request.split)},
          {"weights", trained.weights()}, {"min_context", min_context},
          {"step", trained.step},         {"checkpoint", trained.checkpoint.string()}};
}

std::string unit(const DataSet& data) {
  return data.format.kind == TokenFormat::Kind::kPicture ? "bits a dimension" : "bits a byte";
}

std::string examples_word(const DataSet& data) { return data.is_stream() ? "windows" : "items"; }

/// "average weights of step 1,000"
std::string weights_text(const TrainedModel& trained) {
  return trained.weights() + " weights of step " + format_count(trained.step);
}

/// Of a stream the line says how it was scored, because the other way gives another figure.
std::string one_line(const EvaluationResult& result, const EvaluateRequest& request,
                     const TrainedModel& trained, const DataSet& data) {
  const std::int64_t n = trained.model->layout().length;
  return format_fixed(result.bits, 4) + " " + unit(data) + ", " +
         word_of(kSplitWords, request.split) + " split, " + format_count(result.tokens) +
         " tokens in " + format_count(result.examples) + " " + examples_word(data) +
         (data.is_stream() ? " without overlap" : "") + ", " + weights_text(trained) +
         (data.is_stream() ? "; the paper scores with context, which usually gives fewer bits: "
                             "--min-context " +
                                 std::to_string(n / 2)
                           : "") +
         "\n";
}

/// The paper's table 3: what more context is worth.
std::string context_table(const std::vector<EvaluationResult>& results,
                          const EvaluateRequest& request, const TrainedModel& trained,
                          const DataSet& data) {
  const std::int64_t n = trained.model->layout().length;
  std::vector<std::vector<std::string>> rows = {
      {"minimum context", "new tokens a window", examples_word(data), unit(data)}};
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::int64_t min_context = request.min_contexts[i];
    rows.push_back({format_count(min_context), format_count(n - min_context),
                    format_count(results[i].examples), format_fixed(results[i].bits, 4)});
  }
  return word_of(kSplitWords, request.split) + " split, " + format_count(results.front().tokens) +
         " tokens, windows of " + format_count(n) + ", " + weights_text(trained) + "\n" +
         format_table(rows, 0);
}

/// Table 3 has 6,144 to 12,160 of 12,288 tokens.
std::vector<std::int64_t> papers_contexts(std::int64_t n) {
  std::vector<std::int64_t> contexts;
  for (const std::int64_t parts : {2, 4, 8, 32, 64, 96}) {
    const std::int64_t context = n - std::max<std::int64_t>(n / parts, 1);
    if (contexts.empty() || context > contexts.back()) contexts.push_back(context);
  }
  return contexts;
}

std::string to_text(const std::vector<EvaluationResult>& results, const EvaluateRequest& request,
                    const TrainedModel& trained, const DataSet& data) {
  const bool asked_for_context = results.size() > 1 || request.min_contexts.front() > 0;
  return asked_for_context ? context_table(results, request, trained, data)
                           : one_line(results.front(), request, trained, data);
}

std::string to_json(const std::vector<EvaluationResult>& results, const EvaluateRequest& request,
                    const TrainedModel& trained) {
  Json list = Json::array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    list.push_back(to_json(results[i], request, request.min_contexts[i], trained));
  }
  Json json = list.front();
  if (list.size() > 1) json["results"] = list;
  return json_text(json) + "\n";
}

}  // namespace

std::string run_evaluation(EvaluateRequest request) {
  const StopSignals stop_signals;
  TrainedModel trained = find_trained_model(request.model, request.overrides);
  const DataSet data = open_data(trained.settings, trained.config);
  const std::int64_t n = trained.settings.data.sequence_length();
  if (request.papers_contexts) request.min_contexts = papers_contexts(n);
  for (const std::int64_t min_context : request.min_contexts) {
    check_evaluation(data, request.split, n, min_context);
  }
  warn_of_other_data(trained, data, request.overrides);
  load_weights(trained);
  std::vector<EvaluationResult> results;
  for (const std::int64_t min_context : request.min_contexts) {
    results.push_back(score(trained, data, request.split, min_context));
  }
  return request.json ? to_json(results, request, trained)
                      : to_text(results, request, trained, data);
}

}  // namespace sparse_transformer
