#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <string_view>

#include "app/commands/commands.h"
#include "app/option_values.h"
#include "app/version.h"
#include "config/config.h"
#include "config/errors.h"
#include "config/nearest.h"
#include "config/scalars.h"
#include "runtime/log.h"
#include "runtime/out_of_memory.h"
#include "runtime/progress.h"
#include "runtime/shell.h"
#include "runtime/terminal.h"
#include "training/settings.h"

namespace sparse_transformer {

namespace {

using Arguments = std::vector<std::string>;

constexpr std::string_view kProgram = "sparse-transformer";
constexpr std::string_view kHelp = "help";

constexpr std::string_view kExamples =
    R"(Trains Sparse Transformers on bytes, pictures and sound, and samples from them.

Examples:
  sparse-transformer train configs/quickstart.yaml --run runs/first
  sparse-transformer train --run runs/first --resume
  sparse-transformer sample runs/first --out samples.png --count 16
  sparse-transformer evaluate runs/first
  sparse-transformer pattern configs/cifar10.yaml --out pattern.png
  sparse-transformer config --reference

Commands:
)";

constexpr std::string_view kExitCodes = R"(
Every command has --help, which `help COMMAND` shows too. Exit codes: 0 done, 2 a mistake in the input, 1 anything else; stopped by a signal: 129 SIGHUP, 130 SIGINT, 138 SIGUSR1, 140 SIGUSR2, 143 SIGTERM, 152 SIGXCPU.
)";

// The options that every command takes.
struct GlobalOptions {
  bool quiet = false;
  bool verbose = false;
  ColorMode color = ColorMode::kAuto;
  ProgressMode progress = ProgressMode::kAuto;
};

void add_global_options(CLI::App& app, GlobalOptions& options) {
  app.add_flag("-q,--quiet", options.quiet, "only warnings and errors")->group("Everywhere");
  app.add_flag("-v,--verbose", options.verbose, "details too")->group("Everywhere");
  add_choice(app, "--color", options.color, kColorModeWords, "colour on stderr")
      ->type_name("WHEN")
      ->group("Everywhere");
  add_choice(app, "--progress", options.progress, kProgressModeWords, "progress on stderr")
      ->type_name("HOW")
      ->group("Everywhere");
}

void apply(const GlobalOptions& options) {
  Verbosity verbosity = options.verbose ? Verbosity::kVerbose : Verbosity::kNormal;
  if (options.quiet) verbosity = Verbosity::kQuiet;
  const bool no_progress = options.quiet && options.progress == ProgressMode::kAuto;
  start_log(verbosity, options.color);
  set_progress_mode(no_progress ? ProgressMode::kNone : options.progress);
}

bool is_option(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

// "--steps=3" names --steps.
std::string option_name(const std::string& word) {
  return word.starts_with("--") ? word.substr(0, word.find('=')) : word;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

// The settings that an option is named after: "--steps" and "--training.steps" after
// training.steps.
std::vector<std::string> settings_named(const std::string& option) {
  std::string name = option.substr(std::min(option.size(), option.find_first_not_of('-')));
  std::replace(name.begin(), name.end(), '-', '_');
  std::vector<std::string> keys = setting_keys<Settings>();
  std::erase_if(
      keys, [&name](const std::string& key) { return key != name && !key.ends_with("." + name); });
  return keys;
}

// "3" of "--steps=3" and of "--steps 3", the i-th argument.
std::string value_given(const Arguments& arguments, std::size_t i) {
  const std::size_t equals = arguments[i].find('=');
  if (equals != std::string::npos) return arguments[i].substr(equals + 1);
  if (i + 1 == arguments.size()) return "VALUE";
  const std::string& next = arguments[i + 1];
  return is_option(next) && !parse_number(next) ? "VALUE" : next;
}

// Throws UserError for the i-th argument, an option that `app` does not have.
[[noreturn]] void refuse_option(const CLI::App& app, const Arguments& arguments, std::size_t i,
                                const std::string& name) {
  const std::string problem = app.get_name() + ": unknown option " + name;
  std::string as_setting;
  if (app.get_option_no_throw("--set") != nullptr) {
    for (const std::string& key : settings_named(name)) {
      as_setting.append(as_setting.empty() ? "; it is a setting: --set " : " or --set ");
      as_setting.append(shell_quoted(key + "=" + value_given(arguments, i)));
    }
  }
  throw UserError(problem +
                  (as_setting.empty() ? did_you_mean(name, option_names(app)) : as_setting));
}

// How many of the words after it belong to the i-th argument, an option: 1 for "--out" and "-o", 0
// for "--out=x", "-ox" and flags. Throws UserError where no such option is known, or its value is
// missing.
std::size_t words_after(const CLI::App& app, const Arguments& arguments, std::size_t i) {
  const std::string& word = arguments[i];
  const std::string name = option_name(word);
  const bool is_long = word.starts_with("--");
  for (std::size_t letter = 1; letter < (is_long ? 2 : word.size()); ++letter) {
    const CLI::Option* option =
        app.get_option_no_throw(is_long ? name : std::string{'-', word[letter]});
    if (option == nullptr) refuse_option(app, arguments, i, name);
    if (option->get_items_expected_max() == 0) continue;  // a flag; more short ones may follow it
    if (word.size() > (is_long ? name.size() : letter + 1)) return 0;
    if (i + 1 < arguments.size()) return 1;
    throw UserError(name + ": nothing is given, expected " + option->get_type_name());
  }
  return 0;
}

// CLI11 would let the value after an unknown option pass for a CONFIG, and complain about that.
void refuse_unknown_options(const CLI::App& app, const Arguments& arguments) {
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    if (is_option(arguments[i])) i += words_after(app, arguments, i);
  }
}

// Takes the command's name out of the arguments; options of every command may stand before it.
// Empty: no command.
std::string take_command(const CLI::App& global, Arguments& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (is_option(arguments[i])) {
      i += words_after(global, arguments, i);
      continue;
    }
    const std::string name = arguments[i];
    arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(i));
    return name;
  }
  return "";
}

const Command& find_command(const std::string& name) {
  std::vector<std::string> known = {std::string(kHelp)};
  for (const Command& command : commands()) {
    if (command.name == name) return command;
    known.emplace_back(command.name);
  }
  throw UserError("unknown command '" + name + "'" + did_you_mean(name, known) +
                  "; see sparse-transformer --help");
}

std::string help_text() {
  std::string text(kExamples);
  for (const Command& command : commands()) {
    std::string name(command.name);
    name.resize(12, ' ');
    text.append("  ").append(name).append(command.summary).append("\n");
  }
  return text.append(kExitCodes);
}

// CLI11 takes arguments last first. Returns whether the help was asked for, and then prints it.
bool parse_or_help(CLI::App& app, Arguments arguments) {
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(std::move(arguments));
    return false;
  } catch (const CLI::CallForHelp&) {
    write_to_stdout(app.help());
    return true;
  } catch (const CLI::ParseError& error) {
    throw UserError(std::string(error.what()) + " (see " + app.get_name() + " --help)");
  }
}

void run_command(const Command& command, const Arguments& arguments) {
  CLI::App app(std::string(command.summary),
               std::string(kProgram) + " " + std::string(command.name));
  GlobalOptions options;
  Action run;
  command.add(app, run);
  add_global_options(app, options);
  refuse_unknown_options(app, arguments);
  if (parse_or_help(app, arguments)) return;
  apply(options);
  try {
    run();
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    const std::string advice(command.less_memory);
    throw WorldError("out of memory" + (advice.empty() ? "" : ": " + advice));
  }
}

}  // namespace

void run_command_line(Arguments arguments) {
  CLI::App app("", std::string(kProgram));
  GlobalOptions options;
  bool help = false;
  bool version = false;
  add_global_options(app, options);
  app.set_help_flag();  // the help is ours, not one that CLI11 makes up from these four
  app.add_flag("-h,--help", help);
  app.add_flag("--version", version);
  std::string command = take_command(app, arguments);
  if (command == kHelp) {
    command = take_command(app, arguments);
    arguments = {"--help"};
  }
  if (!command.empty()) return run_command(find_command(command), arguments);
  parse_or_help(app, arguments);
  write_to_stdout(version && !help ? version_text() : help_text());
}

}  // namespace sparse_transformer
