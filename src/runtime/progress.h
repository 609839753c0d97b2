// Progress of a long task on stderr: on a terminal one line, redrawn at most 10 times a second;
// elsewhere plain lines.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sparse_transformer {

/// kAuto: a bar on a terminal, lines elsewhere.
enum class ProgressMode { kAuto, kBar, kLines, kNone };
inline constexpr std::array<std::string_view, 4> kProgressModeWords = {"auto", "bar", "lines",
                                                                       "none"};

/// How every Progress made from now on shows itself.
void set_progress_mode(ProgressMode mode);

/// What a progress line says.
struct ProgressState {
  std::string title;  // "train"
  std::int64_t first =
      0;  // where this process began: a resumed run is not credited with earlier steps
  std::int64_t done = 0;  // steps, or whatever is counted
  std::int64_t total = 0;
  double elapsed = 0;   // seconds since this process began
  std::string figures;  // "2.31 bits 15k tok/s"
};

/// Seconds to go at the mean speed so far (saving and evaluating included); negative while unknown.
double seconds_left(const ProgressState& state);

/// "train 1,200/36,000 [##......]  3%  2.31 bits 15k tok/s  1m02s, 29m left", cut to `width`
/// columns.
std::string progress_bar(const ProgressState& state, int width);

/// "train 1,200/36,000 (3%) 2.31 bits 15k tok/s, 1m02s, 29m left"
std::string progress_line(const ProgressState& state);

/// Shows a task from its construction to its destruction, which takes the bar away; of two at a
/// time, the one updated last is seen. Used from one thread.
class Progress {
 public:
  /// `line_every`: a plain line each time `done` passes a multiple of it, and at the end; 0 = no
  /// lines. The lines also go to the log file, whatever the terminal shows.
  Progress(std::string title, std::int64_t first, std::int64_t total, std::int64_t line_every);
  /// Of a task that knows its total only when it has begun: plain lines after 2 seconds, and then
  /// whenever a quarter of the time so far has passed again, so that a short task prints none.
  explicit Progress(std::string title);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  /// Free text shown from the next update on, until replaced.
  void set_figures(std::string figures) { state_.figures = std::move(figures); }

  void update(std::int64_t done);
  void update(std::int64_t done, std::int64_t total);

 private:
  using Clock = std::chrono::steady_clock;

  bool line_due(std::int64_t before);
  void print_line() const;

  ProgressState state_;
  std::optional<std::int64_t> line_every_;  // none: by time
  ProgressMode mode_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point next_draw_ = begin_;
  double next_line_ = 2;  // seconds after the beginning
};

}  // namespace sparse_transformer
