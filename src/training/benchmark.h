// How fast a config's model trains: its steps beside those of the same model with dense attention,
// and beside the machine's matrix product.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "training/settings.h"

namespace sparse_transformer {

struct BenchmarkSettings {
  std::int64_t steps = 3;   // a round, of each model
  std::int64_t rounds = 5;  // that the medians are over
};

/// One model's training steps.
struct TimedSteps {
  std::string pattern;           // "column, local, local, local", or "dense"
  double seconds = 0.0;          // a step
  double flops_per_token = 0.0;  // forward and backward, on the pattern's pairs (model/size.h)
};

struct BenchmarkResult {
  std::map<std::string, std::string> machine;  // runtime/device.h
  BenchmarkSettings settings;
  std::int64_t sequences = 0, length = 0;  // a step
  Precision precision = Precision::kFloat32;
  std::vector<TimedSteps> models;  // the config's; then dense, unless the config's is that
  std::int64_t product_size = 0;   // side of the square matrices that are multiplied
  double product_flops = 0.0;      // a second, in the type that the model computes in

  std::int64_t tokens() const { return sequences * length; }
  double flops(const TimedSteps& model) const;  // a second
};

/// Times training steps, optimizer included, on random tokens; no data is opened. `settings` as
/// read_settings gives them. All models are in memory at once, the activations of one at a time.
/// `progress` is told runs done, of all. Throws UserError for steps or rounds below 1; Interrupted.
BenchmarkResult benchmark(
    const Settings& settings, const BenchmarkSettings& how,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress);

/// A table for people, and one line that compares with dense.
std::string benchmark_text(const BenchmarkResult& result);

/// One JSON object: machine, sequences, length, precision, steps, rounds,
/// matrix_product_flops_per_second; `models`, a list with pattern, ms_per_step, tokens_per_second,
/// flops_per_token, flops_per_second and share_of_matrix_product; and, where dense was timed too,
/// time_ratio and flops_ratio, sparse over dense.
std::string benchmark_json(const BenchmarkResult& result);

}  // namespace sparse_transformer
