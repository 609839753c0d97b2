#include "tests/app/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

namespace sparse_transformer {

namespace {

constexpr const char* kProgram = SPARSE_TRANSFORMER_PROGRAM;
constexpr std::chrono::milliseconds kPollInterval(5);

void check(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

std::vector<std::string> environment_with(std::map<std::string, std::string> values) {
  values.emplace("PROGRAM", kProgram);
  for (const char* name : {"NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "COLUMNS"}) {
    values.emplace(name, "");
  }
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!values.contains(text.substr(0, text.find('=')))) environment.push_back(text);
  }
  for (const auto& [name, value] : values) environment.push_back(name + "=" + value);
  return environment;
}

// The null-ended array of pointers that the system's calls take.
std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

// Signals that the test runner ignores are not ignored by the command.
void reset_signals(posix_spawnattr_t& attributes) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGPIPE}) {
    sigaddset(&signals, signal);
  }
  check(posix_spawnattr_setsigdefault(&attributes, &signals), "setsigdefault");
  check(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF), "setflags");
}

pid_t spawn(std::vector<std::string> words, std::vector<std::string> environment,
            const std::filesystem::path& folder, const std::filesystem::path& streams) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  check(posix_spawn_file_actions_init(&actions), "file_actions_init");
  check(posix_spawnattr_init(&attributes), "spawnattr_init");
  const auto open = [&actions](int stream, const std::string& path, int flags) {
    check(posix_spawn_file_actions_addopen(&actions, stream, path.c_str(), flags, 0600), "addopen");
  };
  open(STDIN_FILENO, "/dev/null", O_RDONLY);
  open(STDOUT_FILENO, streams / "stdout", O_WRONLY | O_CREAT | O_APPEND);
  open(STDERR_FILENO, streams / "stderr", O_WRONLY | O_CREAT | O_APPEND);
  check(posix_spawn_file_actions_addchdir_np(&actions, folder.c_str()), "addchdir");
  reset_signals(attributes);

  pid_t process = -1;
  const int error = posix_spawn(&process, words[0].c_str(), &actions, &attributes,
                                pointers(words).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  check(error, words[0].c_str());
  return process;
}

}  // namespace

std::string read_text(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::vector<std::string> program(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {kProgram};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

std::vector<std::string> shell(const std::string& line) { return {"/bin/sh", "-c", line}; }

RunningCommand::RunningCommand(std::vector<std::string> words, CommandOptions options)
    : deadline_(std::chrono::steady_clock::now() + options.timeout),
      process_(spawn(std::move(words), environment_with(std::move(options.environment)),
                     options.folder.empty() ? folder_.path() : options.folder, folder_.path())) {}

RunningCommand::~RunningCommand() {
  if (!has_ended()) {
    send(SIGKILL);
    ::waitpid(process_, &status_, 0);
  }
}

void RunningCommand::send(int signal) const { ::kill(process_, signal); }

bool RunningCommand::has_ended() {
  if (!ended_) ended_ = ::waitpid(process_, &status_, WNOHANG) == process_;
  return ended_;
}

bool RunningCommand::wait_for_stderr(std::string_view text) {
  const auto is_there = [&] {
    return read_text(folder_.path() / "stderr").find(text) != std::string::npos;
  };
  while (!is_there() && !has_ended() && !out_of_time()) std::this_thread::sleep_for(kPollInterval);
  return is_there();
}

CommandResult RunningCommand::finish() {
  while (!has_ended()) {
    if (out_of_time()) send(SIGKILL);
    std::this_thread::sleep_for(kPollInterval);
  }
  return {.exit_code = WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_),
          .out = read_text(folder_.path() / "stdout"),
          .err = read_text(folder_.path() / "stderr")};
}

CommandResult run_program(const std::vector<std::string>& arguments, CommandOptions options) {
  return RunningCommand(program(arguments), std::move(options)).finish();
}

CommandResult run_shell(const std::string& line, CommandOptions options) {
  return RunningCommand(shell(line), std::move(options)).finish();
}

}  // namespace sparse_transformer
