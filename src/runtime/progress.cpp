#include "runtime/progress.h"

#include <algorithm>
#include <utility>

#include "runtime/format.h"
#include "runtime/log.h"
#include "runtime/terminal.h"

namespace sparse_transformer {

namespace {

ProgressMode chosen_mode = ProgressMode::kAuto;

ProgressMode resolved(ProgressMode mode) {
  if (mode != ProgressMode::kAuto) return mode;
  return stderr_is_terminal() ? ProgressMode::kBar : ProgressMode::kLines;
}

std::int64_t percent(const ProgressState& state) {
  return state.total > 0 ? state.done * 100 / state.total : 100;
}

std::string steps(const ProgressState& state) {
  return state.title + " " + format_count(state.done) + "/" + format_count(state.total);
}

std::string times(const ProgressState& state) {
  const double left = seconds_left(state);
  return format_duration(state.elapsed) + (left < 0 ? "" : ", " + format_duration(left) + " left");
}

}  // namespace

void set_progress_mode(ProgressMode mode) { chosen_mode = mode; }

double seconds_left(const ProgressState& state) {
  const std::int64_t here = state.done - state.first;
  if (here <= 0) return -1;
  return state.elapsed / static_cast<double>(here) * static_cast<double>(state.total - state.done);
}

std::string progress_bar(const ProgressState& state, int width) {
  constexpr int narrowest = 8;
  constexpr int widest = 30;
  const std::string left = steps(state) + " ";
  std::string right = std::to_string(percent(state)) + "%  ";
  if (!state.figures.empty()) right += state.figures + "  ";
  right += times(state);

  // The brackets and a space beside the bar, and the last column, which some terminals wrap at.
  const int room = width - static_cast<int>(left.size() + right.size()) - 4;
  std::string line = left;
  if (room >= narrowest) {
    const auto cells = static_cast<std::size_t>(std::min(room, widest));
    const std::size_t filled = cells * static_cast<std::size_t>(percent(state)) / 100;
    line.append(1, '[').append(filled, '#').append(cells - filled, '.').append("] ");
  }
  line += right;
  line.resize(std::min(line.size(), static_cast<std::size_t>(std::max(width - 1, 1))));
  return line;
}

std::string progress_line(const ProgressState& state) {
  std::string line = steps(state) + " (" + std::to_string(percent(state)) + "%) ";
  if (!state.figures.empty()) line += state.figures + ", ";
  return line + times(state);
}

Progress::Progress(std::string title, std::int64_t first, std::int64_t total,
                   std::int64_t line_every)
    : line_every_(line_every), mode_(resolved(chosen_mode)) {
  state_.title = std::move(title);
  state_.first = first;
  state_.done = first;
  state_.total = total;
}

Progress::Progress(std::string title) : mode_(resolved(chosen_mode)) {
  state_.title = std::move(title);
}

Progress::~Progress() {
  if (mode_ == ProgressMode::kBar) set_status_line("");
}

void Progress::update(std::int64_t done) {
  constexpr std::chrono::milliseconds between_draws(100);
  const Clock::time_point now = Clock::now();
  const std::int64_t before = std::exchange(state_.done, done);
  state_.elapsed = std::chrono::duration<double>(now - begin_).count();
  if (line_due(before)) print_line();
  if (mode_ == ProgressMode::kBar && now >= next_draw_) {
    set_status_line(progress_bar(state_, terminal_width()));
    next_draw_ = now + between_draws;
  }
}

void Progress::update(std::int64_t done, std::int64_t total) {
  state_.total = total;
  update(done);
}

bool Progress::line_due(std::int64_t before) {
  constexpr double growth = 1.25;
  if (line_every_) {
    return *line_every_ > 0 && state_.done > before &&
           (state_.done / *line_every_ > before / *line_every_ || state_.done == state_.total);
  }
  if (state_.elapsed < next_line_) return false;
  next_line_ = growth * state_.elapsed;
  return true;
}

void Progress::print_line() const {
  const std::string line = progress_line(state_);
  if (mode_ == ProgressMode::kLines) {
    log_info(line);
  } else {
    log_to_file(line);
  }
}

}  // namespace sparse_transformer
