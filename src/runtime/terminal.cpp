#include "runtime/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "config/characters.h"
#include "config/errors.h"

namespace sparse_transformer {

namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

bool is_switched_on(std::string_view value) { return !value.empty() && value != "0"; }

// Returns 0, or the error that stopped it.
int write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

constexpr std::string_view kEraseLine = "\r\033[K";

// Guards stderr and what is shown on its last line.
std::mutex stderr_mutex;
std::string status_line;

}  // namespace

bool wants_color(ColorMode mode, bool is_terminal) {
  if (mode != ColorMode::kAuto) return mode == ColorMode::kAlways;
  if (!environment("NO_COLOR").empty()) return false;
  if (is_switched_on(environment("CLICOLOR_FORCE")) || is_switched_on(environment("FORCE_COLOR"))) {
    return true;
  }
  return environment("CLICOLOR") != "0" && environment("TERM") != "dumb" && is_terminal;
}

bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

int terminal_width() {
  const std::string_view columns = environment("COLUMNS");
  int width = 0;
  std::from_chars(columns.data(), columns.data() + columns.size(), width);
  if (width > 0) return width;
  struct winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

void set_status_line(std::string_view line) {
  const std::scoped_lock lock(stderr_mutex);
  if (status_line.empty() && line.empty()) return;
  status_line = printable(line);
  write_all(STDERR_FILENO, std::string(kEraseLine) + status_line);
}

void print_to_stderr(std::string_view lines) {
  const std::scoped_lock lock(stderr_mutex);
  // One write, so that the bar does not flicker.
  std::string text = status_line.empty() ? std::string() : std::string(kEraseLine);
  text.append(lines).append(status_line);
  write_all(STDERR_FILENO, text);
}

void write_to_stdout(std::string_view bytes) {
  const int error = write_all(STDOUT_FILENO, bytes);
  if (error == EPIPE) throw Interrupted(SIGPIPE);
  if (error != 0) {
    throw WorldError(std::string("standard output: cannot write: ") + std::strerror(error));
  }
}

}  // namespace sparse_transformer
