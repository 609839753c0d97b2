#include "app/commands/config_arguments.h"

#include <CLI/CLI.hpp>

namespace sparse_transformer {

void add_config_arguments(CLI::App& app, ConfigArguments& arguments) {
  app.add_option("CONFIG", arguments.files, "YAML files with settings; later ones win")
      ->type_name("");
  // Without extra arguments, a CONFIG that follows is not swallowed, and "[1, 2]" is not taken
  // apart.
  app.add_option("--set", arguments.overrides,
                 "one setting, as in model.layers=4; wins over the files")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void add_config_or_run_arguments(CLI::App& app, ConfigArguments& arguments) {
  add_config_arguments(app, arguments);
  app.get_option("CONFIG")->description("YAML files with settings, or a run, or a checkpoint");
}

}  // namespace sparse_transformer
