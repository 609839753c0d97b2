#include "training/benchmark.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "attention/pattern.h"
#include "config/errors.h"
#include "model/size.h"
#include "runtime/device.h"
#include "runtime/format.h"
#include "runtime/timing.h"
#include "training/learner.h"

namespace sparse_transformer {
namespace {

/// "column, local, local, local": the cycle of layers, then the final ones where they differ.
std::string pattern_text(const Settings& settings) {
  const ModelSettings& model = settings.model;
  const auto layers =
      layer_patterns(model.attention, model.layers, model.heads, settings.data.sequence_length());
  const auto names = [&layers](std::size_t first, std::size_t count) {
    std::string text;
    for (std::size_t i = first; i < first + count; ++i) {
      text += (i > first ? ", " : "") + layers[i].name();
    }
    return text;
  };
  const std::size_t last = model.attention.last.size();
  const std::size_t cycle = std::min(model.attention.layers.size(), layers.size() - last);
  if (last == 0) return names(0, cycle);
  return names(0, cycle) + (cycle > 0 ? "; at last " : "") + names(layers.size() - last, last);
}

Settings densely(Settings settings) {
  settings.model.attention.layers = {{"dense"}};
  settings.model.attention.last = {};
  return settings;
}

/// Some training steps of one model as one run of the clock.
class Steps {
 public:
  Steps(const Settings& settings, c10::Device device, std::int64_t count)
      : learner_(settings, device),
        count_(count),
        tokens_(at::randint(0, 256, {settings.training.batch, settings.data.sequence_length()},
                            at::kByte)) {}

  void run() {
    StepFigures figures;
    for (std::int64_t i = 0; i < count_; ++i, ++done_) {
      // As at the start of a long run, where the learning rate rises slowly.
      constexpr std::int64_t kLongRun = 1'000'000;
      figures = learner_.step(tokens_, done_, kLongRun);
    }
    figures.gradient_norm.item<double>();  // waits for the device
  }

 private:
  Learner learner_;
  std::int64_t count_;
  std::int64_t done_ = 0;
  at::Tensor tokens_;
};

/// A product of square matrices, in the model's precision, as a yardstick.
class MatrixProduct {
 public:
  MatrixProduct(c10::Device device, Precision precision)
      : size_(device.is_cuda() ? 8192 : 1536),  // some tens of milliseconds
        a_(at::rand({size_, size_}, at::TensorOptions().device(device))
               .to(activation_type(precision))),
        b_(at::rand_like(a_)) {}

  void run() const { at::mm(a_, b_).select(0, 0).select(0, 0).item<double>(); }
  std::int64_t size() const { return size_; }
  double flops() const {
    const auto side = static_cast<double>(size_);
    return 2.0 * side * side * side;
  }

 private:
  std::int64_t size_;
  at::Tensor a_, b_;
};

void check(const BenchmarkSettings& how) {
  const auto require = [](const char* option, std::int64_t value) {
    if (value >= 1) return;
    throw UserError(std::string(option) + ": got " + std::to_string(value) +
                    ", expected at least 1");
  };
  require("--steps", how.steps);
  require("--rounds", how.rounds);
}

std::string percent(double share) { return format_fixed(100.0 * share, 1) + "%"; }

std::string machine_text(const std::map<std::string, std::string>& machine) {
  if (machine.contains("gpu")) return machine.at("gpu");
  return machine.at("processor") + ", " + machine.at("threads") +
         (machine.at("threads") == "1" ? " thread" : " threads");
}

}  // namespace

double BenchmarkResult::flops(const TimedSteps& model) const {
  return model.flops_per_token * static_cast<double>(tokens()) / model.seconds;
}

BenchmarkResult benchmark(
    const Settings& settings, const BenchmarkSettings& how,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  check(how);
  const c10::Device device = choose_device(settings.training.device);
  BenchmarkResult result{.machine = describe_machine(device),
                         .settings = how,
                         .sequences = settings.training.batch,
                         .length = settings.data.sequence_length(),
                         .precision = settings.training.precision,
                         .models = {}};
  std::vector<Settings> models = {settings};
  const Settings dense = densely(settings);
  if (pattern_text(settings) != pattern_text(dense)) models.push_back(dense);

  std::vector<std::unique_ptr<Steps>> steps;
  std::vector<std::function<void()>> runs;
  for (const Settings& model : models) {
    const ModelSize size = model_size(model.model, sequence_layout(model), 1, false, {});
    result.models.push_back(
        {.pattern = pattern_text(model), .flops_per_token = size.flops_per_token});
    steps.push_back(std::make_unique<Steps>(model, device, how.steps));
    runs.emplace_back([&one = *steps.back()] { one.run(); });
  }
  const MatrixProduct product(device, settings.training.precision);
  runs.emplace_back([&product] { product.run(); });

  const std::vector<double> seconds = median_seconds(runs, how.rounds, progress);
  for (std::size_t i = 0; i < models.size(); ++i) {
    result.models[i].seconds = seconds[i] / static_cast<double>(how.steps);
  }
  result.product_size = product.size();
  result.product_flops = product.flops() / seconds.back();
  return result;
}

std::string benchmark_text(const BenchmarkResult& result) {
  std::vector<std::vector<std::string>> rows = {
      {"attention", "ms a step", "tokens/s", "FLOPs a token", "FLOP/s", "of a matrix product"}};
  for (const TimedSteps& model : result.models) {
    rows.push_back({model.pattern, format_fixed(1e3 * model.seconds, 1),
                    format_rate(static_cast<double>(result.tokens()) / model.seconds),
                    format_rate(model.flops_per_token), format_rate(result.flops(model)),
                    percent(result.flops(model) / result.product_flops)});
  }
  const std::string size = std::to_string(result.product_size);
  const std::string precision(kPrecisionWords.at(static_cast<std::size_t>(result.precision)));
  std::string text = machine_text(result.machine) + "; " + format_count(result.sequences) + " x " +
                     format_count(result.length) + " tokens a step; medians of " +
                     format_count(result.settings.rounds) + " rounds of " +
                     format_count(result.settings.steps) +
                     (result.settings.steps == 1 ? " step\n" : " steps\n") + format_table(rows, 1) +
                     "A matrix product, " + size + " x " + size + " in " + precision + ": " +
                     format_rate(result.product_flops) + "FLOP/s.\n";
  if (result.models.size() > 1) {
    const TimedSteps& sparse = result.models[0];
    const TimedSteps& dense = result.models[1];
    text += "Sparse over dense: " + format_fixed(sparse.seconds / dense.seconds, 3) +
            " of the time, " + format_fixed(sparse.flops_per_token / dense.flops_per_token, 3) +
            " of the FLOPs.\n";
  }
  return text;
}

std::string benchmark_json(const BenchmarkResult& result) {
  nlohmann::ordered_json json = {
      {"machine", result.machine},
      {"sequences", result.sequences},
      {"length", result.length},
      {"precision", kPrecisionWords.at(static_cast<std::size_t>(result.precision))},
      {"steps", result.settings.steps},
      {"rounds", result.settings.rounds},
      {"matrix_product_flops_per_second", result.product_flops},
      {"models", nlohmann::ordered_json::array()}};
  for (const TimedSteps& model : result.models) {
    json["models"].push_back(
        {{"pattern", model.pattern},
         {"ms_per_step", 1e3 * model.seconds},
         {"tokens_per_second", static_cast<double>(result.tokens()) / model.seconds},
         {"flops_per_token", model.flops_per_token},
         {"flops_per_second", result.flops(model)},
         {"share_of_matrix_product", result.flops(model) / result.product_flops}});
  }
  if (result.models.size() > 1) {
    const TimedSteps& sparse = result.models[0];
    const TimedSteps& dense = result.models[1];
    json["time_ratio"] = sparse.seconds / dense.seconds;
    json["flops_ratio"] = sparse.flops_per_token / dense.flops_per_token;
  }
  return json.dump() + "\n";
}

}  // namespace sparse_transformer
