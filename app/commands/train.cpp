#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "app/commands/commands.h"
#include "app/commands/config_arguments.h"
#include "runtime/terminal.h"
#include "training/train_request.h"

namespace sparse_transformer {

namespace {

struct TrainOptions {
  ConfigArguments config;
  std::string run, init_from;
  bool resume = false;
  bool dry_run = false;
};

void train_as_asked(const TrainOptions& options) {
  TrainRequest request{.files = options.config.files,
                       .overrides = options.config.overrides,
                       .run = {},
                       .resume = options.resume,
                       .init_from = {}};
  if (!options.run.empty()) request.run = options.run;
  if (!options.init_from.empty()) request.init_from = options.init_from;
  if (options.dry_run) {
    write_to_stdout(dry_run(request));
  } else {
    run_training(request);
  }
}

}  // namespace

void add_train(CLI::App& app, Action& run) {
  const auto options = std::make_shared<TrainOptions>();
  add_config_arguments(app, options->config);
  app.add_option("--run", options->run, "the run's folder (default: runs/CONFIG-DATE-TIME)")
      ->type_name("DIR");
  app.add_flag("--resume", options->resume,
               "go on with the run in --run (default: runs/latest); CONFIG may be left out");
  app.add_option("--init-from", options->init_from,
                 "start a new run from the weights of this run or checkpoint")
      ->type_name("CHECKPOINT");
  app.add_flag("--dry-run", options->dry_run,
               "show the resolved settings, the memory and some of the data; train nothing");
  app.footer(
      "Examples:\n"
      "  sparse-transformer train configs/quickstart.yaml --run runs/first\n"
      "  sparse-transformer train --run runs/first --resume --set training.steps=4000");
  run = [options] { train_as_asked(*options); };
}

}  // namespace sparse_transformer
