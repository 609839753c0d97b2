#include "training/benchmark/benchmark.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "app/commands/commands.h"
#include "app/commands/config_arguments.h"
#include "app/option_values.h"
#include "config/errors.h"
#include "runtime/progress.h"
#include "runtime/stop.h"
#include "runtime/terminal.h"

namespace sparse_transformer {

namespace {

struct BenchmarkOptions {
  ConfigArguments config;
  BenchmarkSettings how;
  bool json = false;
};

void run_benchmark(const BenchmarkOptions& options) {
  if (options.config.files.empty()) {
    throw UserError("benchmark: no CONFIG, run or checkpoint is given");
  }
  const Settings settings =
      read_settings(open_config(options.config.files, options.config.overrides));
  const StopSignals stop_signals;
  BenchmarkResult result;
  {
    Progress bar("benchmark");
    result = benchmark(settings, options.how,
                       [&bar](std::int64_t done, std::int64_t total) { bar.update(done, total); });
  }
  write_to_stdout(options.json ? benchmark_json(result) : benchmark_text(result));
}

}  // namespace

void add_benchmark(CLI::App& app, Action& run) {
  const auto options = std::make_shared<BenchmarkOptions>();
  add_config_or_run_arguments(app, options->config);
  add_choices(app, "--parts", options->how.parts, kBenchmarkPartWords,
              "what is timed, between commas")
      ->type_name("PART,...");
  add_number(app, "--steps", options->how.steps,
             "training steps a round, of each model, and passes of attention alone")
      ->type_name("N");
  add_numbers(app, "--batch", options->how.batch, "sequences sampled at a time, between commas")
      ->type_name("N,...");
  add_number(app, "--rounds", options->how.rounds, "rounds, over which medians are taken")
      ->type_name("N");
  add_number(app, "--seconds", options->how.seconds,
             "no further round begins after so long, and what takes longer by itself is left out")
      ->type_name("N");
  app.add_flag("--json", options->json, "the figures as one JSON object");
  app.footer(
      "Examples:\n"
      "  sparse-transformer benchmark configs/cifar10-small.yaml\n"
      "  sparse-transformer benchmark configs/enwik8.yaml --set training.batch=1 --steps 1 --json\n"
      "  sparse-transformer benchmark configs/cifar10-small.yaml --parts attention");
  run = [options] { run_benchmark(*options); };
}

}  // namespace sparse_transformer
