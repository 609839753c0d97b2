#include "generation/pattern_drawing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/errors.h"
#include "files/canvas.h"
#include "generation/sequence_grid.h"
#include "runtime/format.h"

namespace sparse_transformer {
namespace {

constexpr Colour kInk{32, 36, 44};
constexpr Colour kSoftInk{96, 102, 112};
constexpr Colour kQuery{8, 24, 64};
constexpr Colour kEarlier{255, 255, 255};
constexpr Colour kLater{226, 228, 232};
constexpr Colour kLine{168, 174, 184};

// The first set has the first shade, the last set the last one: two have the figure's dark and
// light blue. Further sets take what lies between, at even distances.
constexpr std::array kShades = {Colour{30, 92, 184},  Colour{124, 84, 188}, Colour{206, 92, 140},
                                Colour{240, 150, 70}, Colour{96, 172, 112}, Colour{104, 176, 240}};

constexpr std::int64_t kSide = 576;       // of a table, at most
constexpr std::int64_t kLargest = 16384;  // width and height; a name of 2000 letters is cut off
constexpr double kMargin = 32;
constexpr double kAxis = 64;     // left of a table, for the numbers of its rows
constexpr double kNumbers = 28;  // below a table, for those of its columns
constexpr double kSwatch = 40;   // width of a colour of the legend

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

Colour between(Colour from, Colour to, double share) {
  const auto mixed = [share](std::uint8_t a, std::uint8_t b) {
    return static_cast<std::uint8_t>(a + (b - a) * share);
  };
  return {mixed(from.red, to.red), mixed(from.green, to.green), mixed(from.blue, to.blue)};
}

Colour shade(std::size_t set, std::size_t sets) {
  if (sets < 2) return kShades.front();
  const double place =
      static_cast<double>(set * (kShades.size() - 1)) / static_cast<double>(sets - 1);
  const std::size_t before = std::min(static_cast<std::size_t>(place), kShades.size() - 2);
  return between(kShades[before], kShades[before + 1], place - static_cast<double>(before));
}

/// A head of a key set, and the colour of its keys.
struct ShownHead {
  std::vector<Piece> pieces;
  std::int64_t head;
  Colour colour = {};
};

/// The keys of one name of the pattern language, in all layers and heads that have it.
struct KeySet {
  std::string name;
  // The layers of each {first head, heads}.
  std::map<std::pair<std::int64_t, std::int64_t>, std::set<std::int64_t>> layers = {};
  std::vector<ShownHead> heads = {};  // one of those with the same keys
  double head_count = 0.0;            // over all layers, as is `pairs`
  double pairs = 0.0;

  double pairs_per_head() const { return pairs / head_count; }
};

/// The queries that the drawing shows.
struct ShownQueries {
  std::int64_t position;  // in the grid
  std::int64_t first;     // how many positions the matrix shows, from the sequence's first on
};

std::vector<std::int64_t> keys_of(const ShownHead& shown, std::int64_t t) {
  std::vector<std::int64_t> keys;
  for (const Piece& piece : shown.pieces) {
    for_each_key(piece, t, shown.head, [&](std::int64_t key) { keys.push_back(key); });
  }
  return keys;
}

/// Adds a head to the set, unless the set has one with the same keys for all shown queries. Heads
/// of one number always do: a name's keys depend on nothing else.
void add_head(KeySet& set, ShownHead head, const ShownQueries& queries) {
  const bool is_known =
      std::any_of(set.heads.begin(), set.heads.end(), [&](const ShownHead& known) {
        if (known.head == head.head) return true;
        for (std::int64_t t = 0; t < queries.first; ++t) {
          if (keys_of(known, t) != keys_of(head, t)) return false;
        }
        return keys_of(known, queries.position) == keys_of(head, queries.position);
      });
  if (!is_known) set.heads.push_back(std::move(head));
}

/// Gives every set a shade, and its heads tints of it. The first head has the shade itself.
void give_colours(std::vector<KeySet>& sets) {
  constexpr double kPalest = 0.6;
  for (std::size_t s = 0; s < sets.size(); ++s) {
    std::vector<ShownHead>& heads = sets[s].heads;
    for (std::size_t h = 0; h < heads.size(); ++h) {
      const double share =
          static_cast<double>(h) / std::max(1.0, static_cast<double>(heads.size() - 1));
      heads[h].colour = between(shade(s, sets.size()), kEarlier, kPalest * share);
    }
  }
}

/// The sets of these groups, in the order in which the config names them.
std::vector<KeySet> key_sets(const std::vector<GroupCounts>& groups, std::int64_t length,
                             const ShownQueries& queries) {
  std::vector<KeySet> sets;
  for (const GroupCounts& group : groups) {
    const auto layers = static_cast<double>(group.layers.size());
    for (const HeadGroup& part : group.group.parts) {
      auto set = std::find_if(sets.begin(), sets.end(),
                              [&](const KeySet& known) { return known.name == part.name; });
      if (set == sets.end()) set = sets.insert(set, KeySet{.name = part.name});
      set->layers[{part.first_head, part.heads}].insert(group.layers.begin(), group.layers.end());
      set->head_count += layers * static_cast<double>(part.heads);
      set->pairs += layers * static_cast<double>(count_pairs(part, length));
      for (std::int64_t head = 0; head < distinct_heads(part); ++head) {
        add_head(*set, {part.pieces, part.first_head + head}, queries);
      }
    }
  }
  give_colours(sets);
  return sets;
}

/// All heads of the sets, in the order in which they are painted over each other: the set with the
/// fewest pairs comes last, and of a set the first head.
std::vector<ShownHead> painting_order(std::vector<KeySet> sets) {
  std::stable_sort(sets.begin(), sets.end(), [](const KeySet& a, const KeySet& b) {
    return a.pairs_per_head() > b.pairs_per_head();
  });
  std::vector<ShownHead> heads;
  for (const KeySet& set : sets) heads.insert(heads.end(), set.heads.rbegin(), set.heads.rend());
  return heads;
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
  /// Keys of another colour that the dot has are covered.
  void mark_key(std::int64_t row, std::int64_t column, Colour colour) {
    Dot& marked = dot(row, column);
    if (marked.colour != colour) marked.keys = 0;
    marked.colour = colour;
    ++marked.keys;
  }
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
    Colour colour = {};  // of the keys
    bool is_query = false;
  };

  Dot& dot(std::int64_t row, std::int64_t column) {
    return dots_[static_cast<std::size_t>(row / row_step_ * columns_ + column / column_step_)];
  }

  static Colour colour(const Dot& dot) {
    if (dot.is_query) return kQuery;
    if (dot.keys > 0) {
      const double share = static_cast<double>(dot.keys) / static_cast<double>(dot.earlier);
      return between(kEarlier, dot.colour, (2 + std::min(share, 1.0)) / 3);
    }
    return dot.earlier > 0 ? kEarlier : kLater;
  }

  std::int64_t row_step_, column_step_, rows_, columns_;
  std::vector<Dot> dots_;
};

/// A canvas and how far it is filled, with what the canvas is too small for.
struct Page {
  Canvas& canvas;
  double right = 0.0;
  double bottom = kMargin;
};

void write_at(Page& page, double left, double baseline, const std::string& text, double size,
              Colour colour) {
  page.canvas.text(left, baseline, text, size, Canvas::Align::kLeft, colour);
  page.right = std::max(page.right, left + page.canvas.text_width(text, size));
}

/// Writes a line below what is on the page.
void write_line(Page& page, double left, const std::string& text, double size, Colour colour) {
  write_at(page, left, page.bottom + size, text, size, colour);
  page.bottom += std::ceil(1.3 * size);
}

void frame(Canvas& canvas, double left, double top, double width, double height) {
  const double right = left + width;
  const double bottom = top + height;
  canvas.stroke_line(left, top, right, top, 1, kLine);
  canvas.stroke_line(left, bottom, right, bottom, 1, kLine);
  canvas.stroke_line(left, top, left, bottom, 1, kLine);
  canvas.stroke_line(right, top, right, bottom, 1, kLine);
}

/// Draws an entry of the legend: colours side by side in a swatch, and lines of text beside it.
void draw_entry(Page& page, const std::vector<Colour>& colours,
                const std::vector<std::string>& lines) {
  const double width = kSwatch / static_cast<double>(colours.size());
  double left = kMargin;
  for (const Colour& colour : colours) {
    page.canvas.fill_rectangle(left, page.bottom + 2, width, 16, colour);
    left += width;
  }
  frame(page.canvas, kMargin, page.bottom + 2, kSwatch, 16);
  for (const std::string& line : lines) {
    const bool is_first = &line == &lines.front();
    write_line(page, kMargin + kSwatch + 12, line, is_first ? 16 : 14, is_first ? kInk : kSoftInk);
  }
  page.bottom += 6;
}

/// The lines of a set in the legend: its name, where it is, how many keys it has.
std::vector<std::string> set_lines(const KeySet& set, std::int64_t length) {
  std::vector<std::string> lines = {set.name};
  for (const auto& [heads, layers] : set.layers) {
    const auto& [first, count] = heads;
    const std::string last = std::to_string(first + count - 1);
    lines.push_back(
        (layers.size() == 1 ? "layer " : "layers ") + layers_text({layers.begin(), layers.end()}) +
        (count == 1 ? ", head " + last : ", heads " + std::to_string(first) + " to " + last));
  }
  const double keys = set.pairs_per_head() / static_cast<double>(length);
  const double dense = static_cast<double>(length + 1) / 2;
  lines.push_back(format_fixed(keys, 1) + " keys a query on average, " +
                  format_fixed(100 * keys / dense, 2) + "% of dense");
  if (set.heads.size() > 1) {
    lines.push_back(std::to_string(set.heads.size()) + " distinct heads, a tint each");
  }
  return lines;
}

void draw_legend(Page& page, const std::vector<KeySet>& sets, std::int64_t length) {
  draw_entry(page, {kQuery}, {"the position itself"});
  for (const KeySet& set : sets) {
    std::vector<Colour> colours;
    for (const ShownHead& head : set.heads) colours.push_back(head.colour);
    draw_entry(page, colours, set_lines(set, length));
  }
  draw_entry(page, {kEarlier}, {"earlier"});
  draw_entry(page, {kLater}, {"later: never seen"});
}

/// The numbers beside a table: 0, step, 2·step … below `count`. One of them stands for `positions`
/// positions of the table.
struct Axis {
  std::int64_t count, step;
  std::int64_t positions = 1;
};

/// Draws a table and its numbers below what is on the page, and lines between its rows and columns
/// where there is room.
void draw_table(Page& page, const Table& table, Point dot, const Axis& rows, const Axis& columns) {
  constexpr double kLeast = 7;  // between lines
  const double left = kMargin + kAxis;
  const double top = page.bottom;
  const double right = left + dot.x * static_cast<double>(table.columns());
  const double bottom = top + dot.y * static_cast<double>(table.rows());
  const double width =
      dot.x * static_cast<double>(columns.positions) / static_cast<double>(table.column_step());
  const double height =
      dot.y * static_cast<double>(rows.positions) / static_cast<double>(table.row_step());
  const bool has_lines = width >= kLeast && height >= kLeast;
  table.draw(page.canvas, left, top, dot.x, dot.y);
  frame(page.canvas, left, top, right - left, bottom - top);
  for (std::int64_t row = 0; row < rows.count; ++row) {
    const double y = top + static_cast<double>(row) * height;
    if (has_lines) page.canvas.stroke_line(left, y, right, y, 0.5, kLine);
    if (row % rows.step != 0) continue;
    page.canvas.stroke_line(left - 6, y, left, y, 1, kLine);
    page.canvas.text(left - 10, y + 11, std::to_string(row), 13, Canvas::Align::kRight, kSoftInk);
  }
  for (std::int64_t column = 0; column < columns.count; ++column) {
    const double x = left + static_cast<double>(column) * width;
    if (has_lines) page.canvas.stroke_line(x, top, x, bottom, 0.5, kLine);
    if (column % columns.step != 0) continue;
    page.canvas.stroke_line(x, bottom, x, bottom + 6, 1, kLine);
    write_at(page, x + 2, bottom + 18, std::to_string(column), 13, kSoftInk);
  }
  page.right = std::max(page.right, right);
  page.bottom = bottom + kNumbers;
}

/// Keys that the position has in any head.
std::int64_t count_keys(const std::vector<ShownHead>& heads, std::int64_t position) {
  std::set<std::int64_t> keys;
  for (const ShownHead& head : heads) {
    for (const std::int64_t key : keys_of(head, position)) keys.insert(key);
  }
  return static_cast<std::int64_t>(keys.size());
}

/// Side in pixels of a dot of a square table with this many rows.
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

Table position_table(const std::vector<ShownHead>& heads, const SequenceGrid& grid,
                     std::int64_t position) {
  Table table(grid.rows, grid.columns);
  for (std::int64_t t = 0; t < position; ++t) {
    table.mark_earlier(t / grid.columns, t % grid.columns);
  }
  for (const ShownHead& head : heads) {
    for (const std::int64_t key : keys_of(head, position)) {
      table.mark_key(key / grid.columns, key % grid.columns, head.colour);
    }
  }
  table.mark_query(position / grid.columns, position % grid.columns);
  return table;
}

Table pair_table(const std::vector<ShownHead>& heads, std::int64_t queries) {
  Table table(queries, queries);
  for (std::int64_t t = 0; t < queries; ++t) {
    for (std::int64_t key = 0; key <= t; ++key) table.mark_earlier(t, key);
    table.mark_query(t, t);
  }
  for (const ShownHead& head : heads) {
    for (std::int64_t t = 0; t < queries; ++t) {
      for (const std::int64_t key : keys_of(head, t)) table.mark_key(t, key, head.colour);
    }
  }
  return table;
}

std::string shrunk_text(const Table& table) {
  if (table.row_step() == 1 && table.column_step() == 1) return "";
  return "; a dot is " + std::to_string(table.row_step()) + " x " +
         std::to_string(table.column_step()) + " (paler: in part)";
}

void draw_caption(Page& page, const std::string& first, const std::string& second) {
  page.bottom += 12;
  write_line(page, kMargin + kAxis, first, 16, kInk);
  write_line(page, kMargin + kAxis, second, 14, kSoftInk);
  page.bottom += 8;
}

void draw_positions(Page& page, const Table& table, const SequenceGrid& grid, std::int64_t position,
                    std::int64_t keys) {
  const std::string over = grid.is_picture
                               ? "over the picture, the bytes of a pixel side by side"
                               : "over the sequence in rows of l = " + std::to_string(grid.columns);
  draw_caption(page,
               "Position " + format_count(position) + " (" + grid.place(position) + ") has " +
                   format_count(keys) + (keys == 1 ? " key" : " keys") + " over all heads",
               over + shrunk_text(table));
  constexpr std::int64_t kLargestDot = 48;
  constexpr std::int64_t kMarks = 8;
  const std::int64_t width = std::min(kSide / table.columns(), kLargestDot);
  const std::int64_t height = std::min(width * grid.channels, kSide / table.rows());
  draw_table(page, table, {static_cast<double>(width), static_cast<double>(height)},
             {.count = grid.rows, .step = divide_up(grid.rows, kMarks)},
             {.count = grid.pixels(),
              .step = divide_up(grid.pixels(), kMarks),
              .positions = grid.channels});
}

void draw_matrix(Page& page, const Table& table, std::int64_t shown, std::int64_t length,
                 std::int64_t stride) {
  const std::string which =
      shown == length ? "all " + format_count(shown)
                      : "the first " + format_count(shown) + " of " + format_count(length);
  draw_caption(page, "Queries down, keys across",
               which + " positions, l = " + std::to_string(stride) + shrunk_text(table));
  constexpr std::int64_t kMarks = 9;
  const Axis axis{.count = shown, .step = stride * divide_up(shown, stride * kMarks)};
  const auto dot = static_cast<double>(dot_size(shown));
  draw_table(page, table, {dot, dot}, axis, axis);
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
  const std::int64_t stride = groups.front().stride;
  const ShownQueries queries{.position = chosen_position(choice, grid, counts.length),
                             .first = shown_positions(counts.length, stride)};
  const std::vector<KeySet> sets = key_sets(groups, counts.length, queries);
  const std::vector<ShownHead> heads = painting_order(sets);
  const std::int64_t keys = count_keys(heads, queries.position);
  const Table positions = position_table(heads, grid, queries.position);
  const Table pairs = pair_table(heads, queries.first);
  const auto draw = [&](Canvas& canvas) {
    Page page{.canvas = canvas};
    write_line(page, kMargin,
               "Who attends to whom among " + format_count(counts.length) + " positions", 28, kInk);
    page.bottom += 8;
    draw_legend(page, sets, counts.length);
    draw_positions(page, positions, grid, queries.position, keys);
    draw_matrix(page, pairs, queries.first, counts.length, stride);
    return page;
  };
  Canvas ruler(1, 1);  // everything is cut off, and measured
  const Page needed = draw(ruler);
  const auto side = [](double filled) {
    return std::min(static_cast<std::int64_t>(std::ceil(filled + kMargin)), kLargest);
  };
  Canvas canvas(side(needed.right), side(needed.bottom));
  draw(canvas);
  return canvas.image();
}

}  // namespace sparse_transformer
