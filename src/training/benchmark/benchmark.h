// How fast a config's model is: its attention, its training steps and its sampling, beside the same
// with dense attention and beside what the machine could do at its best.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attention/kernels/kernels.h"
#include "model/work.h"
#include "runtime/timing.h"
#include "training/benchmark/limits.h"
#include "training/settings.h"

namespace sparse_transformer {

enum class BenchmarkPart : std::uint8_t { kAttention, kStep, kSampling };
inline constexpr std::array<std::string_view, 3> kBenchmarkPartWords = {"attention", "step",
                                                                        "sampling"};

struct BenchmarkSettings {
  std::vector<BenchmarkPart> parts = {BenchmarkPart::kAttention, BenchmarkPart::kStep,
                                      BenchmarkPart::kSampling};
  std::int64_t steps = 3;                     // a round, of each model; and passes of attention
  std::int64_t rounds = 5;                    // that the medians are over, at most
  std::int64_t seconds = 300;                 // after which no round begins
  std::vector<std::int64_t> batch = {1, 16};  // sequences that are sampled at a time
};

/// One pattern's attention alone, forward and backward, of one layer.
struct TimedAttention {
  std::string pattern;
  double pairs_per_query = 0.0;  // mean over queries and heads
  Work work = {};
  double seconds = 0.0;
  std::optional<KernelKind> kernel = {};  // where there was a choice
};

/// One model's training steps.
struct TimedSteps {
  std::string pattern;           // "column, local, local, local", or "dense"
  double flops_per_token = 0.0;  // forward and backward, on the pattern's pairs (model/size.h)
  Work work = {};
  double seconds = 0.0;                         // a step
  std::optional<std::int64_t> peak_bytes = {};  // of a step, where the system tells
};

/// The config's model drawing tokens.
struct TimedSampling {
  std::int64_t sequences = 0;  // at a time
  Work work = {};
  double seconds = 0.0;          // the next token of every sequence, mean over positions
  std::int64_t cache_bytes = 0;  // of whole sequences
};

struct BenchmarkResult {
  std::map<std::string, std::string> machine;  // runtime/device.h
  std::int64_t steps = 0, rounds = 0;          // that were counted
  std::int64_t sequences = 0, length = 0;      // a step
  std::int64_t sequences_at_a_time = 0;        // that attention alone is given
  std::int64_t heads = 0, query_width = 0, value_width = 0;
  Precision precision = Precision::kFloat32;
  Limits limits = {};
  std::vector<TimedAttention> attention;  // the config's patterns, each once; then dense
  std::vector<TimedSteps> models;         // the config's; then dense, unless the config's is that
  std::vector<TimedSampling> sampling;
  std::vector<std::string> left_out;  // what would take too long, and how long at least

  /// Of attention alone, and of a step.
  std::int64_t attention_tokens() const { return sequences_at_a_time * length; }
  std::int64_t tokens() const { return sequences * length; }
};

/// Times what is asked for on random tokens; no data is opened. `settings` as read_settings gives
/// them. All models are in memory at once, the activations of one at a time. Ends in bounded time:
/// whatever takes longer than how.seconds by its operations alone, at the matrix product's speed,
/// is left out, and no round but the first counted one begins after how.seconds. Throws UserError
/// for settings out of range; Interrupted.
BenchmarkResult benchmark(const Settings& settings, const BenchmarkSettings& how,
                          const RunProgress& progress);

/// Tables for people.
std::string benchmark_text(const BenchmarkResult& result);

/// One JSON object: machine, precision, sequences, length, steps, rounds; limits
/// (matrix_product_flops_per_second, copy_bytes_per_second); `attention`, `models` (the training
/// steps) and `sampling`, lists of what was timed, each with its time, rates, operations, bytes and
/// share_of_limit, attention with its kernel where there was a choice; where dense steps were timed
/// too, time_ratio and flops_ratio, sparse over dense; left_out.
std::string benchmark_json(const BenchmarkResult& result);

}  // namespace sparse_transformer
