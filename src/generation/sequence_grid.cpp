#include "generation/sequence_grid.h"

#include <array>

namespace sparse_transformer {

SequenceGrid::SequenceGrid(const SequenceLayout& layout)
    : rows(layout.axes[0]),
      columns(layout.axes[1] * (layout.axes.size() > 2 ? layout.axes[2] : 1)),
      channels(layout.axes.size() > 2 ? layout.axes[2] : 1),
      is_picture(layout.axes.size() > 2) {}

std::string SequenceGrid::place(std::int64_t t) const {
  static constexpr std::array kNames = {"red", "green", "blue"};
  const std::int64_t column = t % columns;
  std::string text =
      "row " + std::to_string(t / columns) + ", column " + std::to_string(column / channels);
  if (channels == 3) text += std::string(", ") + kNames[static_cast<std::size_t>(column % 3)];
  return text;
}

}  // namespace sparse_transformer
