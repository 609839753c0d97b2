// The program's errors, thrown anywhere and caught once, in app/main.cpp, where each becomes one
// line on stderr and an exit code. A programmer's mistake is std::logic_error (with the values that
// show it) and also exits with 1.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace sparse_transformer {

/// The user's input, configuration, path or permission is wrong, or a checkpoint is damaged (exit
/// code 2). The message says what, where (file:line or option) and what would be right, in one
/// line.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A value of a setting does not fit the others. Thrown by the class that owns the setting, which
/// knows the key
/// ("model.heads") but not the file; the loader of settings adds where the value was given.
class SettingError : public UserError {
 public:
  SettingError(std::string key, const std::string& problem)
      : UserError(key + ": " + problem), key_(std::move(key)) {}
  const std::string& key() const { return key_; }

 private:
  std::string key_;
};

/// The world does not play along: disk full, out of memory, a non-finite stop (exit code 1).
class WorldError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A file that was whole when it was opened has been cut or replaced since, or its disk fails.
class UnreadableInput : public WorldError {
 public:
  using WorldError::WorldError;
};

/// A signal asked the program to stop (exit code 128 + signal).
class Interrupted : public std::runtime_error {
 public:
  explicit Interrupted(int signal)
      : std::runtime_error("stopped by signal " + std::to_string(signal)), signal_(signal) {}
  int signal() const { return signal_; }

 private:
  int signal_;
};

/// What an error says, without the stack trace that LibTorch's go on with.
inline std::string first_line(const std::exception& error) {
  const std::string what = error.what();
  return what.substr(0, what.find('\n'));
}

}  // namespace sparse_transformer
