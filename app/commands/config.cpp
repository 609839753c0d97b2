#include "config/config.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "app/commands/commands.h"
#include "app/commands/config_arguments.h"
#include "config/errors.h"
#include "runtime/terminal.h"
#include "training/settings.h"

namespace sparse_transformer {

namespace {

struct ConfigOptions : ConfigArguments {
  bool reference = false;
};

void print_config(const ConfigOptions& options) {
  if (options.reference) {
    write_to_stdout(settings_reference<Settings>());
    return;
  }
  if (options.files.empty() && options.overrides.empty()) {
    throw UserError(
        "config: no CONFIG, run or checkpoint is given (all settings: sparse-transformer config "
        "--reference)");
  }
  write_to_stdout(resolved_yaml(read_settings(open_config(options.files, options.overrides))));
}

}  // namespace

void add_config(CLI::App& app, Action& run) {
  const auto options = std::make_shared<ConfigOptions>();
  add_config_or_run_arguments(app, *options);
  app.add_flag("--reference", options->reference,
               "every setting with its default, range and meaning");
  app.footer(
      "Examples:\n"
      "  sparse-transformer config configs/quickstart.yaml --set training.steps=100\n"
      "  sparse-transformer config --reference");
  run = [options] { print_config(*options); };
}

}  // namespace sparse_transformer
