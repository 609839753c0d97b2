// The program's commands. A new one is a file here and a line in the table in commands.cpp.
#pragma once

#include <functional>
#include <span>
#include <string_view>

namespace CLI {
class App;
}

namespace sparse_transformer {

/// What a command does once its options are read.
using Action = std::function<void()>;

struct Command {
  std::string_view name;
  std::string_view summary;                 // one line of the help
  void (*add)(CLI::App& app, Action& run);  // declares the options, and what is run with them
  std::string_view less_memory = {};        // what to do where memory does not suffice
};

/// In the order of the help.
std::span<const Command> commands();

void add_config(CLI::App& app, Action& run);
void add_train(CLI::App& app, Action& run);
void add_sample(CLI::App& app, Action& run);
void add_evaluate(CLI::App& app, Action& run);
void add_prepare(CLI::App& app, Action& run);
void add_inspect(CLI::App& app, Action& run);
void add_pattern(CLI::App& app, Action& run);
void add_attention(CLI::App& app, Action& run);
void add_curves(CLI::App& app, Action& run);
void add_report(CLI::App& app, Action& run);
void add_benchmark(CLI::App& app, Action& run);

}  // namespace sparse_transformer
