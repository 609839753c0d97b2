// The arguments of every command that reads a config: CONFIG... and --set.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sparse_transformer {

struct ConfigArguments {
  std::vector<std::string> files;
  std::vector<std::string> overrides;
};

void add_config_arguments(CLI::App& app, ConfigArguments& arguments);
/// The same where CONFIG may also be a run or a checkpoint, as open_config takes it.
void add_config_or_run_arguments(CLI::App& app, ConfigArguments& arguments);

}  // namespace sparse_transformer
