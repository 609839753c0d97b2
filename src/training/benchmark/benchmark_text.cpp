
#include "config/words.h"
#include "files/json.h"
#include "runtime/format.h"
#include "training/benchmark/benchmark.h"

namespace sparse_transformer {
namespace {

using Json = nlohmann::ordered_json;
using Table = std::vector<std::vector<std::string>>;

std::string percent(double share) { return format_fixed(100.0 * share, 1) + "%"; }

std::string milliseconds(double seconds) {
  return format_fixed(1e3 * seconds, seconds < 0.01 ? 3 : 1);
}

std::string counted(std::int64_t count, const std::string& what) {
  return format_count(count) + " " + what + (count == 1 ? "" : "s");
}

double rate(std::int64_t count, double seconds) { return static_cast<double>(count) / seconds; }

std::string machine_text(const BenchmarkResult& result) {
  const auto& machine = result.machine;
  if (machine.contains("gpu")) return machine.at("gpu");
  return machine.at("processor") + ", " + machine.at("threads") +
         (machine.at("threads") == "1" ? " thread" : " threads");
}

std::string limits_text(const BenchmarkResult& result) {
  const Limits& limits = result.limits;
  const std::string size = std::to_string(limits.product_size);
  return machine_text(result) + "; in " + word_of(kPrecisionWords, result.precision) +
         "; medians of " + counted(result.rounds, "round") + "\n" + "Limits: a matrix product, " +
         size + " x " + size + " in " + word_of(kPrecisionWords, limits.product_precision) + ", " +
         format_rate(limits.product_flops) + "FLOP/s; a copy of " +
         format_bytes(limits.copied_bytes) + ", " + format_rate(limits.copy_bytes) +
         "B/s read and written.\n";
}

std::string attention_text(const BenchmarkResult& result) {
  if (result.attention.empty()) return "";
  Table rows = {
      {"attention alone", "ms", "tokens/s", "keys a query", "FLOPs", "FLOP/s", "of the limit"}};
  for (const TimedAttention& timed : result.attention) {
    rows.push_back({timed.pattern, milliseconds(timed.seconds),
                    format_rate(rate(result.attention_tokens(), timed.seconds)),
                    format_fixed(timed.pairs_per_query, 1), format_rate(timed.work.flops),
                    format_rate(timed.work.flops / timed.seconds),
                    percent(result.limits.share(timed.work, timed.seconds))});
  }
  const std::string query_width = std::to_string(result.query_width);
  const std::string value_width = std::to_string(result.value_width);
  return format_table(rows, 1) + "Forward and backward, " +
         format_count(result.sequences_at_a_time) + " x " + format_count(result.length) +
         " tokens, " + counted(result.heads, "head") + " of " + query_width +
         (query_width == value_width ? "" : ", values of " + value_width) + ".\n";
}

std::string steps_text(const BenchmarkResult& result) {
  if (result.models.empty()) return "";
  Table rows = {{"training step", "ms", "tokens/s", "peak memory", "FLOPs a token", "FLOP/s", "MFU",
                 "of the limit"}};
  for (const TimedSteps& timed : result.models) {
    const double flops = timed.work.flops / timed.seconds;
    rows.push_back({timed.pattern, milliseconds(timed.seconds),
                    format_rate(rate(result.tokens(), timed.seconds)),
                    timed.peak_bytes ? format_bytes(*timed.peak_bytes) : "?",
                    format_rate(timed.flops_per_token), format_rate(flops),
                    percent(flops / result.limits.product_flops),
                    percent(result.limits.share(timed.work, timed.seconds))});
  }
  std::string text = format_table(rows, 1) + format_count(result.sequences) + " x " +
                     format_count(result.length) + " tokens, " + counted(result.steps, "step") +
                     " a round. MFU: FLOP/s, of the matrix product's.\n";
  if (result.models.size() > 1) {
    const TimedSteps& sparse = result.models[0];
    const TimedSteps& dense = result.models[1];
    text += "Sparse over dense: " + format_fixed(sparse.seconds / dense.seconds, 3) +
            " of the time, " + format_fixed(sparse.flops_per_token / dense.flops_per_token, 3) +
            " of the FLOPs.\n";
  }
  return text;
}

std::string sampling_text(const BenchmarkResult& result) {
  if (result.sampling.empty()) return "";
  Table rows = {{"sampling", "ms a token of each", "tokens/s", "cache", "of the limit"}};
  for (const TimedSampling& timed : result.sampling) {
    rows.push_back({counted(timed.sequences, "sequence"), milliseconds(timed.seconds),
                    format_rate(rate(timed.sequences, timed.seconds)),
                    format_bytes(timed.cache_bytes),
                    percent(result.limits.share(timed.work, timed.seconds))});
  }
  return format_table(rows, 1) + "Means over the positions of a sequence.\n";
}

std::string left_out_text(const BenchmarkResult& result) {
  std::string text;
  for (const std::string& what : result.left_out) text += "Left out: " + what + "\n";
  return text;
}

/// What every timed thing has.
Json timed_json(const Limits& limits, const Work& work, double seconds) {
  return {{"flops", work.flops},
          {"bytes", work.bytes},
          {"flops_per_second", work.flops / seconds},
          {"floor_ms", 1e3 * limits.floor_seconds(work)},
          {"share_of_limit", limits.share(work, seconds)}};
}

Json attention_json(const BenchmarkResult& result, const TimedAttention& timed) {
  Json json = {{"pattern", timed.pattern},
               {"ms", 1e3 * timed.seconds},
               {"tokens_per_second", rate(result.attention_tokens(), timed.seconds)},
               {"pairs_per_query", timed.pairs_per_query}};
  if (timed.kernel) json["kernel"] = word_of(kKernelKindWords, *timed.kernel);
  json.update(timed_json(result.limits, timed.work, timed.seconds));
  return json;
}

Json step_json(const BenchmarkResult& result, const TimedSteps& timed) {
  Json json = {{"pattern", timed.pattern},
               {"ms_per_step", 1e3 * timed.seconds},
               {"tokens_per_second", rate(result.tokens(), timed.seconds)},
               {"flops_per_token", timed.flops_per_token},
               {"peak_memory_bytes", timed.peak_bytes ? Json(*timed.peak_bytes) : Json()}};
  json.update(timed_json(result.limits, timed.work, timed.seconds));
  json["mfu"] = timed.work.flops / timed.seconds / result.limits.product_flops;
  return json;
}

Json sampling_json(const BenchmarkResult& result, const TimedSampling& timed) {
  Json json = {{"sequences", timed.sequences},
               {"ms_per_token", 1e3 * timed.seconds},
               {"tokens_per_second", rate(timed.sequences, timed.seconds)},
               {"cache_bytes", timed.cache_bytes}};
  json.update(timed_json(result.limits, timed.work, timed.seconds));
  return json;
}

}  // namespace

std::string benchmark_text(const BenchmarkResult& result) {
  std::string text = limits_text(result);
  for (const std::string& section :
       {attention_text(result), steps_text(result), sampling_text(result), left_out_text(result)}) {
    if (!section.empty()) text.append("\n").append(section);
  }
  return text;
}

std::string benchmark_json(const BenchmarkResult& result) {
  Json json = {
      {"machine", result.machine},
      {"precision", word_of(kPrecisionWords, result.precision)},
      {"sequences", result.sequences},
      {"sequences_at_a_time", result.sequences_at_a_time},
      {"length", result.length},
      {"heads", result.heads},
      {"query_width", result.query_width},
      {"value_width", result.value_width},
      {"steps", result.steps},
      {"rounds", result.rounds},
      {"matrix_product_precision", word_of(kPrecisionWords, result.limits.product_precision)},
      {"matrix_product_flops_per_second", result.limits.product_flops},
      {"copy_bytes_per_second", result.limits.copy_bytes},
      {"attention", Json::array()},
      {"models", Json::array()},
      {"sampling", Json::array()},
      {"left_out", result.left_out}};
  for (const auto& timed : result.attention) {
    json["attention"].push_back(attention_json(result, timed));
  }
  for (const auto& timed : result.models) json["models"].push_back(step_json(result, timed));
  for (const auto& timed : result.sampling) {
    json["sampling"].push_back(sampling_json(result, timed));
  }
  if (result.models.size() > 1) {
    const TimedSteps& sparse = result.models[0];
    const TimedSteps& dense = result.models[1];
    json["time_ratio"] = sparse.seconds / dense.seconds;
    json["flops_ratio"] = sparse.flops_per_token / dense.flops_per_token;
  }
  return json_text(json) + "\n";
}

}  // namespace sparse_transformer
