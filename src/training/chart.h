// A chart of figures against steps, as SVG inside an HTML page.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sparse_transformer {

/// One line of a chart.
struct ChartLine {
  std::string name;                               // in the legend
  std::vector<std::pair<double, double>> points;  // step and value, by step
  bool marked = false;                            // a dot on each point
};

struct Chart {
  std::string title;
  std::vector<ChartLine> lines;
  int decimals = 3;             // of the last values in the legend
  bool fall_may_leave = false;  // the first twentieth may leave the chart at its top, as curves do
};

/// An <svg> element, 640 by 280 units, whose colours are the page's CSS: .grid, .tick, .title,
/// .line-1, .line-2 … . Of many points neighbours are averaged. Values that are not finite are left
/// out; an empty string where nothing is left.
std::string chart_svg(const Chart& chart);

}  // namespace sparse_transformer
