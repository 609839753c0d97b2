#include "training/curves.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "config/errors.h"
#include "files/canvas.h"
#include "runtime/format.h"
#include "training/metrics.h"
#include "training/run_folder.h"

namespace sparse_transformer {
namespace {

constexpr Colour kInk{32, 36, 44};
constexpr Colour kSoftInk{96, 102, 112};
constexpr Colour kGrid{228, 230, 234};

// Okabe and Ito's colours, which those who do not see all colours tell apart too.
constexpr std::array kColours = {Colour{0, 114, 178},   Colour{213, 94, 0},   Colour{0, 158, 115},
                                 Colour{204, 121, 167}, Colour{230, 159, 0},  Colour{86, 180, 233},
                                 Colour{90, 60, 40},    Colour{120, 120, 120}};

constexpr double kWidth = 1200;
constexpr double kPlotHeight = 560;
constexpr double kMargin = 32;
constexpr double kAxis = 72;        // left of the plot, for the numbers of bits
constexpr double kBelow = 72;       // below it, for those of steps
constexpr double kTitle = 56;       // above the legend
constexpr double kLegendLine = 24;  // a run
constexpr double kAboveThePlot = 32;

Colour run_colour(std::size_t run) { return kColours[run % kColours.size()]; }

Colour pale(Colour colour) {
  const auto mixed = [](std::uint8_t part) {
    constexpr double kShare = 0.45;
    return static_cast<std::uint8_t>(255 - (255 - part) * kShare);
  };
  return {mixed(colour.red), mixed(colour.green), mixed(colour.blue)};
}

struct Range {
  double low, high;
};

Range bits_range(const std::vector<RunCurves>& runs, std::int64_t last_step) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr std::int64_t kStart = 20;  // a twentieth
  Range later{kInfinity, -kInfinity};
  Range all = later;
  const auto widen = [](Range& range, double bits) {
    range = {std::min(range.low, bits), std::max(range.high, bits)};
  };
  for (const RunCurves& run : runs) {
    for (const auto* points : {&run.train, &run.valid}) {
      for (const CurvePoint& point : *points) {
        widen(all, point.bits);
        if (point.step >= last_step / kStart) widen(later, point.bits);
      }
    }
  }
  const Range range = later.low < later.high ? later : all;
  const double margin = std::max(0.04 * (range.high - range.low), 0.005);
  return {range.low - margin, range.high + margin};
}

/// "2.5" of ticks that are 0.5 apart.
std::string tick_text(double tick, double distance) {
  constexpr double kRounding = 1e-9;
  const auto decimals = static_cast<int>(std::ceil(-std::log10(distance) - kRounding));
  return format_fixed(tick, std::max(0, decimals));
}

/// The plot's place in the picture, and the picture's place of a point.
class Plot {
 public:
  Plot(double top, std::int64_t last_step, Range bits)
      : top_(top), last_step_(static_cast<double>(last_step)), bits_(bits) {}

  Point place(const CurvePoint& point) const {
    return {x(static_cast<double>(point.step)), y(point.bits)};
  }

  void draw_axes(Canvas& canvas) const {
    const std::vector<double> levels = round_ticks(bits_.low, bits_.high, 7);
    const double distance = levels.size() > 1 ? levels[1] - levels[0] : 1.0;
    for (const double level : levels) {
      canvas.stroke_line(kLeft, y(level), kRight, y(level), 1, kGrid);
      canvas.text(kLeft - 10, y(level) + 5, tick_text(level, distance), 14, Canvas::Align::kRight,
                  kSoftInk);
    }
    for (const double step : round_ticks(0, last_step_, 8, 1)) {
      canvas.stroke_line(x(step), top_, x(step), bottom(), 1, kGrid);
      canvas.text(x(step), bottom() + 22, format_count(std::llround(step)), 14,
                  Canvas::Align::kCentre, kSoftInk);
    }
    canvas.text(kLeft, top_ - 12, "bits a byte", 14, Canvas::Align::kLeft, kSoftInk);
    canvas.text(kRight, bottom() + 46, "steps", 14, Canvas::Align::kRight, kSoftInk);
  }

  void draw_frame(Canvas& canvas) const {
    canvas.stroke_line(kLeft, top_, kLeft, bottom(), 1.5, kSoftInk);
    canvas.stroke_line(kLeft, bottom(), kRight, bottom(), 1.5, kSoftInk);
  }

  void draw_train(Canvas& canvas, const std::vector<CurvePoint>& points, Colour colour) const {
    canvas.clip_to(kLeft, top_, kRight - kLeft, kPlotHeight);
    canvas.stroke_path(places(points), 2, pale(colour));
    canvas.clip_to_all();
  }

  void draw_valid(Canvas& canvas, const std::vector<CurvePoint>& points, Colour colour) const {
    constexpr double kRadius = 4;
    canvas.clip_to(kLeft, top_, kRight - kLeft + kRadius, kPlotHeight);
    const std::vector<Point> path = places(points);
    canvas.stroke_path(path, 2.5, colour);
    for (const Point& point : path) canvas.fill_circle(point.x, point.y, kRadius, colour);
    canvas.clip_to_all();
  }

 private:
  static constexpr double kLeft = kMargin + kAxis;
  static constexpr double kRight = kWidth - kMargin;

  double bottom() const { return top_ + kPlotHeight; }
  double x(double step) const { return kLeft + step / last_step_ * (kRight - kLeft); }
  double y(double bits) const {
    return bottom() - (bits - bits_.low) / (bits_.high - bits_.low) * kPlotHeight;
  }

  std::vector<Point> places(const std::vector<CurvePoint>& points) const {
    std::vector<Point> result;
    for (const CurvePoint& point : points) result.push_back(place(point));
    return result;
  }

  double top_, last_step_;
  Range bits_;
};

/// Cut in the middle to so many pixels: the ends of paths tell runs apart.
std::string shortened(Canvas& canvas, const std::string& text, double size, double width) {
  std::string cut = text;
  for (std::size_t kept = text.size(); canvas.text_width(cut, size) > width && kept > 2; --kept) {
    cut = text.substr(0, kept / 2) + "…" + text.substr(text.size() - kept / 2);
  }
  return cut;
}

void draw_legend(Canvas& canvas, const std::vector<RunCurves>& runs) {
  constexpr std::array<double, 5> kEnds = {0, 640, 800, 960, kWidth - kMargin};
  constexpr double kNames = kMargin + 56;
  const auto rows = last_figures(runs);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double y = kTitle + kLegendLine * static_cast<double>(i + 1);
    const Colour ink = i == 0 ? kSoftInk : kInk;
    canvas.text(kNames, y, shortened(canvas, rows[i][0], 15, 440), 15, Canvas::Align::kLeft, ink);
    for (std::size_t column = 1; column < kEnds.size(); ++column) {
      canvas.text(kEnds[column], y, rows[i][column], 15, Canvas::Align::kRight, ink);
    }
    if (i == 0) continue;
    const Colour colour = run_colour(i - 1);
    canvas.stroke_line(kMargin, y - 2, kMargin + 40, y - 2, 1.5, pale(colour));
    canvas.stroke_line(kMargin, y - 8, kMargin + 40, y - 8, 2.5, colour);
    canvas.fill_circle(kMargin + 20, y - 8, 4, colour);
  }
}

}  // namespace

std::int64_t RunCurves::last_step() const {
  std::int64_t last = 0;
  for (const auto* points : {&train, &valid}) {
    if (!points->empty()) last = std::max(last, points->back().step);
  }
  return last;
}

RunCurves read_curves(const std::filesystem::path& run) {
  const RunFolder folder(run);
  folder.check_is_run();
  RunCurves curves{.name = folder.path().string(), .train = {}, .valid = {}};
  for (const MetricsLine& line : read_metrics(folder.path() / "metrics.jsonl")) {
    for (const auto& [name, value] : line.figures) {
      if (name == "train_bits") curves.train.push_back({line.step, value});
      if (name == "valid_bits") curves.valid.push_back({line.step, value});
    }
  }
  return curves;
}

std::vector<std::vector<std::string>> last_figures(const std::vector<RunCurves>& runs) {
  std::vector<std::vector<std::string>> rows = {
      {"run", "step", "training", "validation", "best validation"}};
  const auto last = [](const std::vector<CurvePoint>& points) {
    return points.empty() ? "-" : format_fixed(points.back().bits, 4);
  };
  for (const RunCurves& run : runs) {
    std::string best = "-";
    if (!run.valid.empty()) {
      const CurvePoint& point = *std::ranges::min_element(run.valid, {}, &CurvePoint::bits);
      best = format_fixed(point.bits, 4) + " at step " + format_count(point.step);
    }
    rows.push_back(
        {run.name, format_count(run.last_step()), last(run.train), last(run.valid), best});
  }
  return rows;
}

Image draw_curves(const std::vector<RunCurves>& runs) {
  std::int64_t last_step = 1;
  for (const RunCurves& run : runs) last_step = std::max(last_step, run.last_step());
  const double top =
      kTitle + kLegendLine * static_cast<double>(runs.size() + 1) + kAboveThePlot + kMargin;
  Canvas canvas(static_cast<std::int64_t>(kWidth),
                static_cast<std::int64_t>(top + kPlotHeight + kBelow));
  canvas.text(kMargin, 44, "Training (thin) and validation (thick, with dots)", 22,
              Canvas::Align::kLeft, kInk);
  draw_legend(canvas, runs);
  const Plot plot(top, last_step, bits_range(runs, last_step));
  plot.draw_axes(canvas);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    plot.draw_train(canvas, runs[i].train, run_colour(i));
  }
  plot.draw_frame(canvas);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    plot.draw_valid(canvas, runs[i].valid, run_colour(i));
  }
  return canvas.image();
}

std::vector<double> round_ticks(double low, double high, int count, double least) {
  const double rough = std::max((high - low) / count, least);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double distance = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough * (1 - 1e-9)) distance = factor * power;
  }
  std::vector<double> ticks;
  const auto first = static_cast<std::int64_t>(std::ceil(low / distance - 1e-9));
  const auto last = static_cast<std::int64_t>(std::floor(high / distance + 1e-9));
  for (std::int64_t i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * distance);
  return ticks;
}

}  // namespace sparse_transformer
