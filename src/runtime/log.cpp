#include "runtime/log.h"

#include <fcntl.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include "config/characters.h"
#include "config/errors.h"

namespace sparse_transformer {

namespace {

// "warning: text" above the status line; the level is said in words too, never by colour alone.
class TerminalSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void set_color(bool color) { color_ = color; }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    std::string line;
    if (message.level == spdlog::level::warn) line = colored("warning:", "\033[1;33m") + " ";
    if (message.level == spdlog::level::err) line = colored("error:", "\033[1;31m") + " ";
    line.append(message.payload.data(), message.payload.size());
    print_to_stderr(line + "\n");
  }
  void flush_() override {}

 private:
  std::string colored(const std::string& word, const std::string& color) const {
    return color_ ? color + word + "\033[0m" : word;
  }

  std::atomic<bool> color_ = wants_color(ColorMode::kAuto, stderr_is_terminal());
};

struct Log {
  Log() { terminal.set_level(spdlog::level::info); }

  std::shared_ptr<TerminalSink> sink = std::make_shared<TerminalSink>();
  spdlog::logger terminal = spdlog::logger("terminal", sink);
  spdlog::level::level_enum file_level = spdlog::level::info;
  std::unique_ptr<spdlog::logger> file;  // while a LogFile lives
  std::string file_name;
};

Log& the_log() {
  static Log log;
  return log;
}

// A message is one line. What it quotes from files and names cannot control the terminal.
void write(spdlog::level::level_enum level, std::string_view text) {
  Log& log = the_log();
  const std::string line = printable(text);
  log.terminal.log(level, line);
  if (log.file) log.file->log(level, line);
}

}  // namespace

void start_log(Verbosity verbosity, ColorMode color) {
  constexpr std::array levels = {spdlog::level::warn, spdlog::level::info, spdlog::level::debug};
  Log& log = the_log();
  log.terminal.set_level(levels[static_cast<std::size_t>(verbosity)]);
  log.sink->set_color(wants_color(color, stderr_is_terminal()));
  log.file_level = verbosity == Verbosity::kVerbose ? spdlog::level::debug : spdlog::level::info;
}

void log_detail(std::string_view text) { write(spdlog::level::debug, text); }
void log_info(std::string_view text) { write(spdlog::level::info, text); }
void log_warning(std::string_view text) { write(spdlog::level::warn, text); }
void log_error(std::string_view text) { write(spdlog::level::err, text); }

void log_to_file(std::string_view text) {
  if (the_log().file) the_log().file->info(printable(text));
}

// The logging library hands lines to the system, but does not flush them to the disk. A failure is
// not reported: no more than lines of the log are at stake.
void flush_log() {
  const Log& log = the_log();
  if (!log.file) return;
  const int file = ::open(log.file_name.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  while (::fsync(file) != 0 && errno == EINTR) {
  }
  ::close(file);
}

LogFile::LogFile(const std::filesystem::path& path) {
  Log& log = the_log();
  const std::string name = path.string();
  try {
    log.file = std::make_unique<spdlog::logger>(
        "file", std::make_shared<spdlog::sinks::basic_file_sink_mt>(name));
  } catch (const spdlog::spdlog_ex&) {
    throw UserError(name + ": cannot be opened for writing: " + std::strerror(errno));
  }
  log.file_name = name;
  log.file->set_pattern("%Y-%m-%d %H:%M:%S %l: %v");
  log.file->set_level(log.file_level);
  log.file->flush_on(spdlog::level::debug);
  log.file->set_error_handler([name, reported = false](const std::string&) mutable {
    if (!reported) {
      the_log().terminal.warn(printable(name) + ": the log cannot be written any more");
    }
    reported = true;
  });
}

LogFile::~LogFile() { the_log().file.reset(); }

}  // namespace sparse_transformer
