#include "training/benchmark/benchmark.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "attention/pattern.h"
#include "config/errors.h"
#include "model/size.h"
#include "runtime/device.h"
#include "runtime/format.h"
#include "training/attention_pass.h"
#include "training/benchmark/sampling_run.h"
#include "training/benchmark/training_steps.h"
#include "training/chosen_kernels.h"
#include "training/memory_limit.h"

namespace sparse_transformer {
namespace {

std::vector<LayerPattern> patterns_of(const Settings& settings) {
  const ModelSettings& model = settings.model;
  return layer_patterns(model.attention, model.layers, model.heads,
                        settings.data.sequence_length());
}

/// "column, local, local, local": the cycle of layers, then the final ones where they differ.
std::string pattern_text(const Settings& settings) {
  const AttentionSettings& attention = settings.model.attention;
  const auto layers = patterns_of(settings);
  const auto names = [&layers](std::size_t first, std::size_t count) {
    std::string text;
    for (std::size_t i = first; i < first + count; ++i) {
      text += (i > first ? ", " : "") + layers[i].name();
    }
    return text;
  };
  const std::size_t last = attention.last.size();
  const std::size_t cycle = std::min(attention.layers.size(), layers.size() - last);
  if (last == 0) return names(0, cycle);
  return names(0, cycle) + (cycle > 0 ? "; at last " : "") + names(layers.size() - last, last);
}

Settings densely(Settings settings) {
  settings.model.attention.layers = {{"dense"}};
  settings.model.attention.last = {};
  return settings;
}

/// The patterns of the config's layers, each once, and dense.
std::vector<LayerPattern> distinct_patterns(const Settings& settings) {
  std::vector<LayerPattern> distinct;
  for (const Settings& each : {settings, densely(settings)}) {
    for (LayerPattern& layer : patterns_of(each)) {
      const bool known = std::any_of(distinct.begin(), distinct.end(), [&](const auto& other) {
        return other.name() == layer.name();
      });
      if (!known) distinct.push_back(std::move(layer));
    }
  }
  return distinct;
}

/// Everything that is timed in turn, and where its time goes.
class Comparison {
 public:
  Comparison(const Settings& settings, const BenchmarkSettings& how, BenchmarkResult& result)
      : settings_(settings),
        how_(how),
        device_(choose_device(settings.training.device)),
        result_(result),
        product_(device_, fastest_precision(device_, settings.training.precision)),
        copy_(device_) {
    product_.run();
    product_rate_ = product_.flops() / seconds_of([this] { product_.run(); });
    result_.limits.product_size = product_.size();
    result_.limits.product_precision = product_.precision();
    result_.limits.copied_bytes = copy_.size();
    add([this] { product_.run(); },
        [this](double seconds) { result_.limits.product_flops = product_.flops() / seconds; });
    add([this] { copy_.run(); },
        [this](double seconds) { result_.limits.copy_bytes = copy_.bytes() / seconds; });
  }

  void add(BenchmarkPart part) {
    switch (part) {
      case BenchmarkPart::kAttention:
        return add_attention();
      case BenchmarkPart::kStep:
        add_steps(settings_);
        if (pattern_text(settings_) != "dense") add_steps(densely(settings_));
        return;
      case BenchmarkPart::kSampling:
        return add_sampling();
    }
  }

  void measure(const RunProgress& progress) {
    const Medians medians = medians_of_rounds(
        measurements_, {.rounds = how_.rounds, .seconds = static_cast<double>(how_.seconds)},
        progress);
    for (std::size_t i = 0; i < takers_.size(); ++i) takers_[i](medians.values[i]);
    result_.rounds = medians.rounds;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      result_.models[i].peak_bytes = steps_[i]->peak_bytes();
    }
  }

 private:
  using Taker = std::function<void(double seconds)>;

  void add(std::function<void()> run, Taker taker) {
    measurements_.emplace_back([run = std::move(run)] { return seconds_of(run); });
    takers_.push_back(std::move(taker));
  }

  /// Whether so many operations, a run, end in time; what does not is noted.
  bool ends_in_time(const std::string& what, double flops) {
    const double least = flops / product_rate_;
    if (least <= static_cast<double>(how_.seconds)) return true;
    result_.left_out.push_back(what + ": " + format_duration(least) + " a run at least");
    return false;
  }

  void add_attention() {
    const ModelSettings& model = settings_.model;
    const std::int64_t n = settings_.data.sequence_length();
    const AttentionInput input(settings_, device_);
    for (const LayerPattern& pattern : distinct_patterns(settings_)) {
      const Work work = attention_work(model, pattern, n, result_.sequences_at_a_time,
                                       settings_.training.precision);
      if (!ends_in_time("attention alone, " + pattern.name(),
                        static_cast<double>(how_.steps) * work.flops)) {
        continue;
      }
      const auto kernel = choose_attention_kernel(settings_, pattern, input);
      if (kernel) chosen_[pattern.name()] = *kernel;
      const std::size_t i = result_.attention.size();
      result_.attention.push_back({.pattern = pattern.name(),
                                   .pairs_per_query = pairs_per_query({pattern}, n),
                                   .work = work,
                                   .kernel = kernel});
      add([pass =
               AttentionPass(pattern, settings_.training.kernels, kernel.value_or(KernelKind::kOwn),
                             input, how_.steps)] { pass.run(); },
          [this, i](double seconds) {
            result_.attention[i].seconds = seconds / static_cast<double>(how_.steps);
          });
    }
  }

  void add_steps(const Settings& settings) {
    const SequenceLayout layout = sequence_layout(settings);
    const Work work =
        step_work(settings.model, layout, settings.training.batch, settings.training.precision);
    const std::string pattern = pattern_text(settings);
    if (!ends_in_time("training steps, " + pattern, static_cast<double>(how_.steps) * work.flops)) {
      return;
    }
    const std::size_t i = result_.models.size();
    result_.models.push_back({.pattern = pattern,
                              .flops_per_token = work.flops / static_cast<double>(result_.tokens()),
                              .work = work});
    chosen_ = choose_kernels(settings, device_, chosen_);
    steps_.push_back(std::make_unique<TrainingSteps>(settings, device_, chosen_, how_.steps));
    add([&steps = *steps_.back()] { steps.run(); },
        [this, i](double seconds) {
          result_.models[i].seconds = seconds / static_cast<double>(how_.steps);
        });
  }

  void add_sampling() {
    const std::int64_t n = settings_.data.sequence_length();
    if (n < SamplingRun::kShortest) {
      result_.left_out.push_back("sampling: sequences of " + format_count(n) +
                                 " tokens are too short");
      return;
    }
    for (const std::int64_t sequences : how_.batch) {
      const Work work = sampling_work(settings_.model, sequence_layout(settings_), sequences,
                                      settings_.training.precision);
      const double primed =
          static_cast<double>(SamplingRun::primed_tokens(n)) / static_cast<double>(sequences);
      const auto drawn = static_cast<double>(SamplingRun::drawn_tokens(n, device_));
      if (!ends_in_time("sampling, " + format_count(sequences) + " at a time",
                        (primed + drawn) * work.flops)) {
        continue;
      }
      const SamplingRun run(sampled_model(), sequences);
      const std::size_t i = result_.sampling.size();
      result_.sampling.push_back(
          {.sequences = sequences, .work = work, .cache_bytes = run.cache_bytes()});
      measurements_.emplace_back([run] { return run.seconds_a_token(); });
      takers_.emplace_back([this, i](double seconds) { result_.sampling[i].seconds = seconds; });
    }
  }

  const Transformer& sampled_model() {
    if (!model_) {
      model_ = std::make_unique<Transformer>(settings_.model, sequence_layout(settings_),
                                             settings_.training.computation());
      initialise(*model_, static_cast<std::uint64_t>(settings_.training.seed));
      move_parameters(*model_, device_);
    }
    return *model_;
  }

  const Settings& settings_;
  const BenchmarkSettings& how_;
  c10::Device device_;
  BenchmarkResult& result_;
  MatrixProduct product_;
  MemoryCopy copy_;
  double product_rate_ = 0.0;  // FLOP/s, a first estimate
  KernelChoice chosen_;
  std::vector<std::unique_ptr<TrainingSteps>> steps_;
  std::unique_ptr<Transformer> model_;
  std::vector<std::function<double()>> measurements_;
  std::vector<Taker> takers_;  // of the measurements' medians
};

void check(const BenchmarkSettings& how) {
  constexpr std::int64_t kMost = 1'000'000;  // so that no product with settings overflows
  const auto require = [](const char* option, std::int64_t value) {
    if (value >= 1 && value <= kMost) return;
    throw UserError(std::string(option) + ": got " + std::to_string(value) +
                    ", expected a whole number from 1 to " + std::to_string(kMost));
  };
  require("--steps", how.steps);
  require("--rounds", how.rounds);
  require("--seconds", how.seconds);
  for (const std::int64_t sequences : how.batch) require("--batch", sequences);
}

}  // namespace

BenchmarkResult benchmark(const Settings& settings, const BenchmarkSettings& how,
                          const RunProgress& progress) {
  check(how);
  const c10::Device device =
      choose_training_device(settings.training.device, settings.training.deterministic);
  check_memory(settings, device);
  BenchmarkResult result{
      .machine = describe_machine(device),
      .steps = how.steps,
      .sequences = settings.training.batch,
      .length = settings.data.sequence_length(),
      .sequences_at_a_time = settings.training.sequences_at_a_time(),
      .heads = settings.model.heads,
      .query_width = settings.model.query_width(),
      .value_width = settings.model.value_width(),
      .precision = settings.training.precision,
      .attention = {},
      .models = {},
      .sampling = {},
      .left_out = {},
  };
  Comparison comparison(settings, how, result);
  for (const BenchmarkPart part : how.parts) comparison.add(part);
  comparison.measure(progress);
  return result;
}

}  // namespace sparse_transformer
