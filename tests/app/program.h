// Runs the built program as a user does.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/temporary_folder.h"

namespace sparse_transformer {

std::string read_text(const std::filesystem::path& path);

/// The words of a command: our program with these arguments.
std::vector<std::string> program(const std::vector<std::string>& arguments);
/// A line of sh, in which "$PROGRAM" is our program.
std::vector<std::string> shell(const std::string& line);

struct CommandOptions {
  // Beside our own, from which colours are taken out.
  std::map<std::string, std::string> environment = {};
  std::filesystem::path folder = {};  // the working directory; empty: one of its own
  std::chrono::seconds timeout{60};   // after that it is killed, and the exit code is 137
};

struct CommandResult {
  int exit_code;  // 128 + signal where a signal ended it, as a shell says it
  std::string out;
  std::string err;
};

/// A command in the background, its standard input empty. It is killed if it is still there in the
/// end.
class RunningCommand {
 public:
  explicit RunningCommand(std::vector<std::string> words, CommandOptions options = {});
  RunningCommand(const RunningCommand&) = delete;
  RunningCommand& operator=(const RunningCommand&) = delete;
  ~RunningCommand();

  void send(int signal) const;
  /// Waits until stderr holds this text; false if the command ends or the time runs out before.
  bool wait_for_stderr(std::string_view text);
  CommandResult finish();

 private:
  bool has_ended();
  bool out_of_time() const { return std::chrono::steady_clock::now() > deadline_; }

  TemporaryFolder
      folder_;  // of the two streams' files, and the working directory where none is named
  std::chrono::steady_clock::time_point deadline_;
  pid_t process_ = -1;
  bool ended_ = false;
  int status_ = 0;  // as waitpid gives it
};

/// Our program with these arguments, from beginning to end.
CommandResult run_program(const std::vector<std::string>& arguments, CommandOptions options = {});
CommandResult run_shell(const std::string& line, CommandOptions options = {});

}  // namespace sparse_transformer
