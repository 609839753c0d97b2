// The program's output streams. Results go to stdout. Log and progress go to stderr, where the last
// line may be a status line that stays below everything printed. The cursor is never hidden, so
// that even a killed program leaves a usable terminal. All functions may be called from any thread.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace sparse_transformer {

enum class ColorMode { kAuto, kAlways, kNever };
inline constexpr std::array<std::string_view, 3> kColorModeWords = {"auto", "always", "never"};

/// Whether output in this mode is coloured. For kAuto the first of these decides: NO_COLOR (set and
/// not empty: no), CLICOLOR_FORCE or FORCE_COLOR (not empty and not 0: yes), CLICOLOR=0 (no),
/// TERM=dumb (no), being a terminal.
bool wants_color(ColorMode mode, bool is_terminal);

bool stderr_is_terminal();

/// Columns of the terminal: the variable COLUMNS, else what the terminal on stderr says, else 80.
int terminal_width();

/// Shows `line` (no wider than the terminal) as the last line on stderr, in place of the one
/// before; an empty one takes it away. Control characters are escaped. Call only where stderr is a
/// terminal.
void set_status_line(std::string_view line);

/// Prints whole lines on stderr, above the status line. Failures are ignored: there is nowhere left
/// to tell of them.
void print_to_stderr(std::string_view lines);

/// Writes all of `bytes` to stdout. Throws Interrupted(SIGPIPE) when the reader has gone, and
/// WorldError on any other failure (a full disk). Needs SIGPIPE to be ignored.
void write_to_stdout(std::string_view bytes);

}  // namespace sparse_transformer
