#include "training/chart.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "files/html.h"
#include "runtime/format.h"
#include "training/curves.h"

namespace sparse_transformer {
namespace {

using Points = std::vector<std::pair<double, double>>;

constexpr double kWidth = 640, kHeight = 280;
constexpr double kLeft = 64, kRight = kWidth - 16, kTop = 44, kBottom = kHeight - 30;
constexpr std::size_t kMostPoints = 400;

std::string number(double value) { return format_fixed(value, 1); }

Points finite(const Points& points) {
  Points kept;
  std::copy_if(points.begin(), points.end(), std::back_inserter(kept),
               [](const auto& point) { return std::isfinite(point.second); });
  return kept;
}

/// At most kMostPoints, each the mean of as many neighbours.
Points thinned(const Points& points) {
  const std::size_t together = (points.size() + kMostPoints - 1) / kMostPoints;
  if (together <= 1) return points;
  Points means;
  for (std::size_t begin = 0; begin < points.size(); begin += together) {
    const std::size_t end = std::min(points.size(), begin + together);
    double step = 0.0, value = 0.0;
    for (std::size_t i = begin; i < end; ++i) {
      step += points[i].first;
      value += points[i].second;
    }
    const auto count = static_cast<double>(end - begin);
    means.emplace_back(step / count, value / count);
  }
  return means;
}

struct Axes {
  double last_step = 1.0, low = 0.0, high = 1.0;

  double x(double step) const { return kLeft + step / last_step * (kRight - kLeft); }
  double y(double value) const { return kBottom - (value - low) / (high - low) * (kBottom - kTop); }
};

Axes axes_of(const std::vector<ChartLine>& lines, bool fall_may_leave) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kStart = 20.0;  // a twentieth
  Axes axes{.last_step = 1.0, .low = kInfinity, .high = -kInfinity};
  for (const ChartLine& line : lines) {
    axes.last_step = std::max(axes.last_step, line.points.back().first);
  }
  for (const ChartLine& line : lines) {
    for (const auto& [step, value] : line.points) {
      if (fall_may_leave && step < axes.last_step / kStart) continue;
      axes.low = std::min(axes.low, value);
      axes.high = std::max(axes.high, value);
    }
  }
  const double margin = std::max(0.05 * (axes.high - axes.low), 1e-3 * std::abs(axes.high) + 1e-12);
  axes.low -= margin;
  axes.high += margin;
  return axes;
}

std::string text(double x, double y, const std::string& anchor, const std::string& kind,
                 const std::string& words) {
  return "<text class=\"" + kind + "\" x=\"" + number(x) + "\" y=\"" + number(y) +
         "\" text-anchor=\"" + anchor + "\">" + escape_html(words) + "</text>";
}

std::string grid_line(double x0, double y0, double x1, double y1) {
  return R"(<path class="grid" d="M)" + number(x0) + " " + number(y0) + "L" + number(x1) + " " +
         number(y1) + "\"/>";
}

/// "2.5", "3e-4": as short as its distance to the next tick lets it be.
std::string tick_text(double value, double distance) {
  if (value != 0.0 && distance < 1e-3) {
    const int exponent = static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-9));
    return format_fixed(value / std::pow(10.0, exponent), 1) + "e" + std::to_string(exponent);
  }
  if (distance >= 1000) return format_rate(value);
  const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(distance) - 1e-9)));
  return format_fixed(value, decimals);
}

std::string grid(const Axes& axes) {
  std::string svg;
  const std::vector<double> levels = round_ticks(axes.low, axes.high, 4);
  const double distance = levels.size() > 1 ? levels[1] - levels[0] : 1.0;
  for (const double level : levels) {
    svg += grid_line(kLeft, axes.y(level), kRight, axes.y(level)) +
           text(kLeft - 8, axes.y(level) + 4, "end", "tick", tick_text(level, distance));
  }
  for (const double step : round_ticks(0.0, axes.last_step, 5, 1.0)) {
    svg += text(axes.x(step), kBottom + 18, "middle", "tick", format_count(std::llround(step)));
  }
  return svg + grid_line(kLeft, kBottom, kRight, kBottom);
}

std::string path(const Axes& axes, const ChartLine& line, const std::string& kind) {
  std::string d, dots;
  for (const auto& [step, value] : line.points) {
    // What is above the chart is drawn at its upper edge.
    const std::string x = number(axes.x(step));
    const std::string y = number(std::max(axes.y(value), kTop - 2));
    d += (d.empty() ? "M" : "L") + x + " " + y;
    if (line.marked) {
      dots += "<circle class=\"" + kind + "\" cx=\"" + x + "\" cy=\"" + y + R"(" r="3"/>)";
    }
  }
  return "<path class=\"" + kind + "\" d=\"" + d + "\"/>" + dots;
}

}  // namespace

std::string chart_svg(const Chart& chart) {
  std::vector<ChartLine> lines;
  for (const ChartLine& line : chart.lines) {
    const Points points = finite(line.points);
    if (points.empty()) continue;
    const std::string name = line.name + " " + format_fixed(points.back().second, chart.decimals);
    lines.push_back({name, thinned(points), line.marked});
  }
  if (lines.empty()) return "";
  const Axes axes = axes_of(lines, chart.fall_may_leave);
  std::string svg = "<svg viewBox=\"0 0 " + number(kWidth) + " " + number(kHeight) +
                    R"(" role="img" aria-label=")" + escape_html(chart.title) + "\">" +
                    text(kLeft, 22, "start", "title", chart.title) + grid(axes);
  double legend = kRight;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string kind = "line-" + std::to_string(i + 1);
    svg += path(axes, lines[i], kind);
    const std::size_t from_the_end = lines.size() - 1 - i;
    const std::string& words = lines[from_the_end].name;
    constexpr double kLetter = 7.0;
    svg += text(legend, 22, "end", "legend line-" + std::to_string(from_the_end + 1), words);
    legend -= kLetter * static_cast<double>(words.size()) + 16;
  }
  return svg + "</svg>\n";
}

}  // namespace sparse_transformer
