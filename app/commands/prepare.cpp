#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "app/commands/commands.h"
#include "app/commands/config_arguments.h"
#include "runtime/terminal.h"
#include "training/prepare_request.h"

namespace sparse_transformer {

void add_prepare(CLI::App& app, Action& run) {
  const auto request = std::make_shared<PrepareRequest>();
  const auto config = std::make_shared<ConfigArguments>();
  add_config_arguments(app, *config);
  app.add_option("-o,--out", request->out, "the packed file to write, x.safetensors")
      ->required()
      ->type_name("FILE");
  app.add_flag("--overwrite", request->overwrite, "replace an output that exists");
  app.footer(
      "Example:\n"
      "  sparse-transformer prepare configs/cifar10.yaml --out cifar10.safetensors");
  run = [request, config] {
    request->files = config->files;
    request->overrides = config->overrides;
    write_to_stdout(run_preparation(*request));
  };
}

}  // namespace sparse_transformer
