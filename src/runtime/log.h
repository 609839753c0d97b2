// The program's log: lines on stderr, and in the run's log file where there is one.
//
// Light on purpose: the logging library's headers stay in log.cpp, because LibTorch carries another
// version of them.
#pragma once

#include <filesystem>
#include <string_view>

#include "runtime/terminal.h"

namespace sparse_transformer {

enum class Verbosity { kQuiet, kNormal, kVerbose };

/// What stderr shows: warnings and errors (quiet), news too (normal), details too (verbose). Until
/// this is called: normal, in colour where that is wanted. The log file takes news always, and
/// details when verbose.
void start_log(Verbosity verbosity, ColorMode color);

/// A message is one line: control characters in it, newlines too, are shown as escape sequences.
void log_detail(std::string_view text);
void log_info(std::string_view text);
void log_warning(std::string_view text);  // "warning: …"
void log_error(std::string_view text);    // "error: …"

/// Into the log file alone: what the terminal shows in another way.
void log_to_file(std::string_view text);

/// Makes what is in the log file survive a power cut.
void flush_log();

/// While this lives, what is logged is also appended to a file, with time and level and without
/// colour. One at a time. A file that cannot be written any more (disk full) is reported once, and
/// the program goes on.
class LogFile {
 public:
  /// Throws UserError if the file cannot be opened.
  explicit LogFile(const std::filesystem::path& path);
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  ~LogFile();
};

}  // namespace sparse_transformer
