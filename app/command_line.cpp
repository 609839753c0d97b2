#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "app/commands/commands.h"
#include "app/version.h"
#include "config/errors.h"
#include "config/nearest.h"
#include "runtime/log.h"
#include "runtime/progress.h"
#include "runtime/terminal.h"

namespace sparse_transformer {

namespace {

using Arguments = std::vector<std::string>;

constexpr std::string_view kProgram = "sparse-transformer";

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
Every command has --help. Exit codes: 0 done, 2 a mistake in the input, 1 anything else, 130 and 143 stopped by a signal.
)";

// The options that every command takes.
struct GlobalOptions {
  bool quiet = false;
  bool verbose = false;
  std::string color = "auto";
  std::string progress = "auto";
};

void add_global_options(CLI::App& app, GlobalOptions& options) {
  app.add_flag("-q,--quiet", options.quiet, "only warnings and errors")->group("Everywhere");
  app.add_flag("-v,--verbose", options.verbose, "details too")->group("Everywhere");
  app.add_option("--color", options.color, "colour on stderr: auto, always or never")
      ->type_name("WHEN")
      ->group("Everywhere");
  app.add_option("--progress", options.progress, "progress on stderr: auto, bar, lines or none")
      ->type_name("HOW")
      ->group("Everywhere");
}

// The index of `word` among `words`.
template <std::size_t size>
std::size_t choice(const std::string& option, const std::string& word,
                   const std::array<std::string_view, size>& words) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  std::string known;
  for (const std::string_view each : words) known.append(known.empty() ? "" : ", ").append(each);
  throw UserError(option + ": got '" + word + "', expected one of " + known);
}

void apply(const GlobalOptions& options) {
  Verbosity verbosity = options.verbose ? Verbosity::kVerbose : Verbosity::kNormal;
  if (options.quiet) verbosity = Verbosity::kQuiet;
  const auto color = static_cast<ColorMode>(choice("--color", options.color, kColorModeWords));
  auto progress =
      static_cast<ProgressMode>(choice("--progress", options.progress, kProgressModeWords));
  if (options.quiet && progress == ProgressMode::kAuto) progress = ProgressMode::kNone;
  start_log(verbosity, color);
  set_progress_mode(progress);
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

// How many of the words after it belong to the option `word`: 1 for "--out" and "-o", 0 for
// "--out=x", "-ox" and flags. Throws UserError where no such option is known.
std::size_t words_after(const CLI::App& app, const std::string& word) {
  const std::string name = option_name(word);
  const bool is_long = word.starts_with("--");
  for (std::size_t letter = 1; letter < (is_long ? 2 : word.size()); ++letter) {
    const CLI::Option* option =
        app.get_option_no_throw(is_long ? name : std::string{'-', word[letter]});
    if (option == nullptr) {
      throw UserError(app.get_name() + ": unknown option " + name +
                      did_you_mean(name, option_names(app)));
    }
    if (option->get_items_expected_max() == 0) continue;  // a flag; more short ones may follow it
    return word.size() == (is_long ? name.size() : letter + 1) ? 1 : 0;
  }
  return 0;
}

// CLI11 would let the value after an unknown option pass for a CONFIG, and complain about that.
void refuse_unknown_options(const CLI::App& app, const Arguments& arguments) {
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    if (is_option(arguments[i])) i += words_after(app, arguments[i]);
  }
}

// Takes the command's name out of the arguments; options of every command may stand before it.
// Empty: no command.
std::string take_command(const CLI::App& global, Arguments& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (is_option(arguments[i])) {
      i += words_after(global, arguments[i]);
      continue;
    }
    const std::string name = arguments[i];
    arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(i));
    return name;
  }
  return "";
}

const Command& find_command(const std::string& name) {
  std::vector<std::string> known;
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
  run();
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
  const std::string command = take_command(app, arguments);
  if (!command.empty()) return run_command(find_command(command), arguments);
  parse_or_help(app, arguments);
  write_to_stdout(version && !help ? version_text() : help_text());
}

}  // namespace sparse_transformer
