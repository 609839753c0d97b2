#include <CLI/CLI.hpp>
#include <memory>

#include "app/commands/commands.h"
#include "app/commands/config_arguments.h"
#include "config/errors.h"
#include "runtime/terminal.h"
#include "training/inspection.h"

namespace sparse_transformer {

namespace {

struct InspectOptions {
  ConfigArguments named;
  bool json = false;
};

void print_inspection(const InspectOptions& options) {
  if (options.named.files.empty()) {
    throw UserError("inspect: no CONFIG, run or checkpoint is given");
  }
  const Inspection inspection = inspect(options.named.files, options.named.overrides);
  write_to_stdout(options.json ? inspection_json(inspection) : inspection_text(inspection));
}

}  // namespace

void add_inspect(CLI::App& app, Action& run) {
  const auto options = std::make_shared<InspectOptions>();
  add_config_or_run_arguments(app, options->named);
  app.add_flag("--json", options->json, "the figures as one JSON object");
  app.footer(
      "Examples:\n"
      "  sparse-transformer inspect configs/cifar10.yaml --set model.layers=4\n"
      "  sparse-transformer inspect runs/first");
  run = [options] { print_inspection(*options); };
}

}  // namespace sparse_transformer
