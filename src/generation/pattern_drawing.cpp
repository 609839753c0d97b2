#include "generation/pattern_drawing.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "config/errors.h"
#include "files/canvas.h"
#include "generation/sequence_grid.h"
#include "runtime/format.h"

namespace sparse_transformer {
namespace {

constexpr Colour kInk{32, 36, 44};
constexpr Colour kSoftInk{96, 102, 112};
constexpr Colour kQuery{12, 44, 104};
constexpr Colour kKey{84, 158, 232};
constexpr Colour kFewKeys{164, 204, 244};  // a dot of which hardly anything is attended to
constexpr Colour kEarlier{255, 255, 255};
constexpr Colour kLater{226, 228, 232};
constexpr Colour kLine{168, 174, 184};

constexpr std::int64_t kSide = 576;  // of a table, at most
constexpr double kMargin = 32;
constexpr double kAxis = 64;  // left of a table, for the numbers of its rows
constexpr double kPanelWidth = kAxis + kSide + kMargin;
constexpr double kTop = 128;     // where panels begin
constexpr double kHeading = 96;  // a panel's name and counts
constexpr double kCaption = 56;  // above a table
constexpr double kNumbers = 28;  // below it

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

Colour between(Colour from, Colour to, double share) {
  const auto mixed = [share](std::uint8_t a, std::uint8_t b) {
    return static_cast<std::uint8_t>(a + (b - a) * share);
  };
  return {mixed(from.red, to.red), mixed(from.green, to.green), mixed(from.blue, to.blue)};
}

/// A table of positions or pairs, shrunk to dots.
class Table {
 public:
  Table(std::int64_t rows, std::int64_t columns)
      : row_step_(divide_up(rows, kSide)),
        column_step_(divide_up(columns, kSide)),
        rows_(divide_up(rows, row_step_)),
        columns_(divide_up(columns, column_step_)),
        dots_(static_cast<std::size_t>(rows_ * columns_)) {}

  void mark_earlier(std::int64_t row, std::int64_t column) { ++dot(row, column).earlier; }
  void mark_key(std::int64_t row, std::int64_t column) { ++dot(row, column).keys; }
  void mark_query(std::int64_t row, std::int64_t column) { dot(row, column).is_query = true; }

  void draw(Canvas& canvas, double left, double top, double dot_width, double dot_height) const {
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t column = 0; column < columns_; ++column) {
        canvas.fill_rectangle(left + static_cast<double>(column) * dot_width,
                              top + static_cast<double>(row) * dot_height, dot_width, dot_height,
                              colour(dots_[static_cast<std::size_t>(row * columns_ + column)]));
      }
    }
  }

  std::int64_t row_step() const { return row_step_; }
  std::int64_t column_step() const { return column_step_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }

 private:
  struct Dot {
    std::int64_t earlier = 0, keys = 0;
    bool is_query = false;
  };

  Dot& dot(std::int64_t row, std::int64_t column) {
    return dots_[static_cast<std::size_t>(row / row_step_ * columns_ + column / column_step_)];
  }

  static Colour colour(const Dot& dot) {
    if (dot.is_query) return kQuery;
    if (dot.keys > 0) {
      return between(kFewKeys, kKey,
                     static_cast<double>(dot.keys) / static_cast<double>(dot.earlier));
    }
    return dot.earlier > 0 ? kEarlier : kLater;
  }

  std::int64_t row_step_, column_step_, rows_, columns_;
  std::vector<Dot> dots_;
};

/// Calls `visit` with every key of position t in the group's first head.
template <typename Visit>
void for_each_key(const HeadGroup& group, std::int64_t t, const Visit& visit) {
  for (const Piece& piece : group.pieces) for_each_key(piece, t, group.first_head, visit);
}

void frame(Canvas& canvas, double left, double top, double width, double height) {
  const double right = left + width;
  const double bottom = top + height;
  canvas.stroke_line(left, top, right, top, 1, kLine);
  canvas.stroke_line(left, bottom, right, bottom, 1, kLine);
  canvas.stroke_line(left, top, left, bottom, 1, kLine);
  canvas.stroke_line(right, top, right, bottom, 1, kLine);
}

void draw_caption(Canvas& canvas, double left, double top, const std::string& first,
                  const std::string& second) {
  canvas.text(left, top + 16, first, 16, Canvas::Align::kLeft, kInk);
  canvas.text(left, top + 36, second, 14, Canvas::Align::kLeft, kSoftInk);
}

/// The number of every `step`-th row left of a table, of every `step`-th column below it. Sizes are
/// in pixels.
void draw_row_numbers(Canvas& canvas, double left, double top, double row_height, std::int64_t rows,
                      std::int64_t step) {
  for (std::int64_t row = 0; row < rows; row += step) {
    const double y = top + static_cast<double>(row) * row_height;
    canvas.stroke_line(left - 6, y, left, y, 1, kLine);
    canvas.text(left - 10, y + 11, std::to_string(row), 13, Canvas::Align::kRight, kSoftInk);
  }
}

void draw_column_numbers(Canvas& canvas, double left, double bottom, double column_width,
                         std::int64_t columns, std::int64_t step) {
  for (std::int64_t column = 0; column < columns; column += step) {
    const double x = left + static_cast<double>(column) * column_width;
    canvas.stroke_line(x, bottom, x, bottom + 6, 1, kLine);
    canvas.text(x + 2, bottom + 18, std::to_string(column), 13, Canvas::Align::kLeft, kSoftInk);
  }
}

/// Lines between the pixels of a picture, or the positions of a stream, where there is room.
void draw_pixel_lines(Canvas& canvas, double left, double top, double width, double height,
                      double pixel_width, double pixel_height) {
  constexpr double kLeast = 7;
  if (pixel_width < kLeast || pixel_height < kLeast) return;
  for (std::int64_t i = 1; static_cast<double>(i) * pixel_width < width; ++i) {
    const double x = static_cast<double>(i) * pixel_width;
    canvas.stroke_line(left + x, top, left + x, top + height, 0.5, kLine);
  }
  for (std::int64_t i = 1; static_cast<double>(i) * pixel_height < height; ++i) {
    const double y = static_cast<double>(i) * pixel_height;
    canvas.stroke_line(left, top + y, left + width, top + y, 0.5, kLine);
  }
}

std::string shrunk_text(const Table& table) {
  if (table.row_step() == 1 && table.column_step() == 1) return "";
  return "; a dot is " + std::to_string(table.row_step()) + " x " +
         std::to_string(table.column_step()) + " (paler: in part)";
}

/// The sizes of the table that shows the grid, in pixels.
struct GridSize {
  explicit GridSize(const SequenceGrid& grid) {
    const Table table(grid.rows, grid.columns);
    constexpr std::int64_t kLargestDot = 48;
    dot_width = static_cast<double>(std::min(kSide / table.columns(), kLargestDot));
    const std::int64_t tallest = kSide / table.rows();
    dot_height =
        std::min(dot_width * static_cast<double>(grid.channels), static_cast<double>(tallest));
    width = dot_width * static_cast<double>(table.columns());
    height = dot_height * static_cast<double>(table.rows());
  }

  double dot_width, dot_height, width, height;
};

void draw_key_set(Canvas& canvas, double left, double top, const HeadGroup& group,
                  const SequenceGrid& grid, std::int64_t position) {
  Table table(grid.rows, grid.columns);
  for (std::int64_t t = 0; t < position; ++t) {
    table.mark_earlier(t / grid.columns, t % grid.columns);
  }
  std::int64_t count = 0;
  for_each_key(group, position, [&](std::int64_t key) {
    ++count;
    if (key != position) table.mark_key(key / grid.columns, key % grid.columns);
  });
  table.mark_query(position / grid.columns, position % grid.columns);

  const std::string over = grid.is_picture
                               ? "over the picture, the bytes of a pixel side by side"
                               : "over the sequence in rows of l = " + std::to_string(grid.columns);
  draw_caption(canvas, left, top,
               "Position " + format_count(position) + " (" + grid.place(position) + ") has " +
                   format_count(count) + (count == 1 ? " key" : " keys"),
               over + shrunk_text(table));
  top += kCaption;
  const GridSize size(grid);
  table.draw(canvas, left, top, size.dot_width, size.dot_height);
  draw_pixel_lines(canvas, left, top, size.width, size.height,
                   size.dot_width * static_cast<double>(grid.channels), size.dot_height);
  frame(canvas, left, top, size.width, size.height);
  constexpr std::int64_t kMarks = 8;
  const std::int64_t pixels = grid.columns / grid.channels;
  draw_row_numbers(canvas, left, top, size.height / static_cast<double>(grid.rows), grid.rows,
                   divide_up(grid.rows, kMarks));
  draw_column_numbers(canvas, left, top + size.height, size.width / static_cast<double>(pixels),
                      pixels, divide_up(pixels, kMarks));
}

/// Side in pixels of a dot of a square table of so many positions.
std::int64_t dot_size(std::int64_t positions) {
  return kSide / divide_up(positions, divide_up(positions, kSide));
}

/// The positions that a matrix shows: all of a short sequence, else the first rows, as many as fill
/// its square best.
std::int64_t shown_positions(std::int64_t length, std::int64_t stride) {
  if (length <= kSide / 4) return length;
  std::int64_t best = 0;
  std::int64_t best_side = 0;
  for (std::int64_t rows = 4; rows <= 9; ++rows) {
    const std::int64_t positions = std::min(length, rows * stride);
    const std::int64_t side =
        divide_up(positions, divide_up(positions, kSide)) * dot_size(positions);
    if (side > best_side) {
      best = positions;
      best_side = side;
    }
  }
  return best;
}

void draw_matrix(Canvas& canvas, double left, double top, const GroupCounts& counts,
                 std::int64_t length) {
  const std::int64_t shown = shown_positions(length, counts.stride);
  Table table(shown, shown);
  for (std::int64_t t = 0; t < shown; ++t) {
    for (std::int64_t key = 0; key <= t; ++key) table.mark_earlier(t, key);
    for_each_key(counts.group, t, [&](std::int64_t key) { table.mark_key(t, key); });
    table.mark_query(t, t);
  }
  const std::string which =
      shown == length ? "all " + format_count(shown)
                      : "the first " + format_count(shown) + " of " + format_count(length);
  draw_caption(canvas, left, top, "Queries down, keys across",
               which + " positions, l = " + std::to_string(counts.stride) + shrunk_text(table));
  top += kCaption;
  const auto dot = static_cast<double>(dot_size(shown));
  const double side = static_cast<double>(table.rows()) * dot;
  table.draw(canvas, left, top, dot, dot);
  frame(canvas, left, top, side, side);
  constexpr std::int64_t kMarks = 9;
  const std::int64_t step = counts.stride * divide_up(shown, counts.stride * kMarks);
  const double position_size = dot / static_cast<double>(table.row_step());
  draw_row_numbers(canvas, left, top, position_size, shown, step);
  draw_column_numbers(canvas, left, top + side, position_size, shown, step);
}

void draw_heading(Canvas& canvas, double left, double top, const GroupCounts& counts) {
  const HeadGroup& group = counts.group;
  const std::int64_t last_head = group.first_head + group.heads - 1;
  std::string where =
      (counts.layers.size() == 1 ? "layer " : "layers ") + layers_text(counts.layers) +
      (group.heads == 1
           ? ", head " + std::to_string(last_head)
           : ", heads " + std::to_string(group.first_head) + " to " + std::to_string(last_head));
  if (distinct_heads(group) > 1) {
    where += "; drawn: head " + std::to_string(group.first_head) + ", the others see other keys";
  }
  canvas.text(left, top + 24, group.name, 26, Canvas::Align::kLeft, kInk);
  canvas.text(left, top + 48, where, 15, Canvas::Align::kLeft, kSoftInk);
  canvas.text(left, top + 69,
              format_fixed(counts.pairs_per_query, 1) + " keys a query on average, " +
                  format_fixed(100.0 * counts.share_of_dense, 2) + "% of dense",
              15, Canvas::Align::kLeft, kSoftInk);
}

void draw_legend(Canvas& canvas, double top) {
  struct Entry {
    Colour colour;
    const char* meaning;
  };
  constexpr std::array kEntries = {Entry{kQuery, "the position itself"},
                                   Entry{kKey, "what it attends to"}, Entry{kEarlier, "earlier"},
                                   Entry{kLater, "later: never seen"}};
  constexpr double kSwatch = 16;
  double x = kMargin;
  for (const Entry& entry : kEntries) {
    canvas.fill_rectangle(x, top, kSwatch, kSwatch, entry.colour);
    frame(canvas, x, top, kSwatch, kSwatch);
    x += kSwatch + 8;
    canvas.text(x, top + 13, entry.meaning, 15, Canvas::Align::kLeft, kInk);
    x += canvas.text_width(entry.meaning, 15) + 28;
  }
}

std::int64_t chosen_position(const DrawingChoice& choice, const SequenceGrid& grid,
                             std::int64_t length) {
  if (!choice.position) {
    const std::int64_t pixel = grid.columns / grid.channels * 5 / 8;
    return std::min(length - 1,
                    grid.rows * 5 / 8 * grid.columns + pixel * grid.channels + grid.channels / 2);
  }
  if (*choice.position < 0 || *choice.position >= length) {
    throw UserError("--position: got " + std::to_string(*choice.position) + ", expected 0 to " +
                    std::to_string(length - 1));
  }
  return *choice.position;
}

std::vector<GroupCounts> chosen_groups(const DrawingChoice& choice, const PatternCounts& counts) {
  if (!choice.layer) return counts.groups;
  std::vector<GroupCounts> chosen;
  std::int64_t last_layer = 0;
  for (const GroupCounts& group : counts.groups) {
    last_layer = std::max(last_layer, group.layers.back());
    if (std::find(group.layers.begin(), group.layers.end(), *choice.layer) != group.layers.end()) {
      chosen.push_back(group);
    }
  }
  if (chosen.empty()) {
    throw UserError("--layer: got " + std::to_string(*choice.layer) + ", expected 0 to " +
                    std::to_string(last_layer));
  }
  return chosen;
}

}  // namespace

Image draw_pattern(const PatternCounts& counts, const SequenceLayout& layout,
                   const DrawingChoice& choice) {
  const std::vector<GroupCounts> groups = chosen_groups(choice, counts);
  const SequenceGrid grid(layout);
  const std::int64_t position = chosen_position(choice, grid, counts.length);
  const double key_set = kCaption + GridSize(grid).height + kNumbers + kMargin;
  const double height = kTop + kHeading + key_set + kCaption + kSide + kNumbers + kMargin;
  constexpr double kTitleWidth = 720;
  const double width =
      std::max(kTitleWidth, kMargin + static_cast<double>(groups.size()) * kPanelWidth);
  Canvas canvas(static_cast<std::int64_t>(width), static_cast<std::int64_t>(height));
  canvas.text(kMargin, 48,
              "Who attends to whom among " + format_count(counts.length) + " positions", 28,
              Canvas::Align::kLeft, kInk);
  draw_legend(canvas, 72);
  double left = kMargin + kAxis;
  for (const GroupCounts& group : groups) {
    draw_heading(canvas, left, kTop, group);
    draw_key_set(canvas, left, kTop + kHeading, group.group, grid, position);
    draw_matrix(canvas, left, kTop + kHeading + key_set, group, counts.length);
    left += kPanelWidth;
  }
  return canvas.image();
}

}  // namespace sparse_transformer
