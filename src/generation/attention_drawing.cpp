#include "generation/attention_drawing.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "files/canvas.h"
#include "generation/sequence_grid.h"
#include "runtime/format.h"

namespace sparse_transformer {
namespace {

constexpr Colour kInk{32, 36, 44};
constexpr Colour kSoftInk{96, 102, 112};
constexpr Colour kLine{168, 174, 184};
constexpr Colour kDark{24, 27, 34};        // earlier, nothing attended to
constexpr Colour kAttended{255, 190, 40};  // the most of a panel
constexpr Colour kQuery{230, 30, 60};
constexpr Colour kLater{226, 228, 232};

constexpr std::int64_t kSide = 256;  // of a panel, at most
constexpr double kMargin = 32;
constexpr double kGap = 20;
constexpr double kLabels = 168;  // left of the panels: layer, head, pattern
constexpr double kCaption = 26;  // below a panel
constexpr double kHeads = 48;    // above the panels: their positions
constexpr double kTitle = 64;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

Colour between(Colour from, Colour to, double share) {
  const auto mixed = [share](std::uint8_t a, std::uint8_t b) {
    return static_cast<std::uint8_t>(std::lround(a + (b - a) * share));
  };
  return {mixed(from.red, to.red), mixed(from.green, to.green), mixed(from.blue, to.blue)};
}

/// How the sequence is shrunk to the dots of a panel.
struct Dots {
  explicit Dots(const SequenceGrid& its_grid)
      : grid(its_grid),
        row_step(divide_up(grid.rows, kSide)),
        column_step(divide_up(grid.pixels(), kSide)),
        rows(divide_up(grid.rows, row_step)),
        columns(divide_up(grid.pixels(), column_step)),
        size(static_cast<double>(std::max<std::int64_t>(1, kSide / std::max(rows, columns)))) {}

  std::size_t of(std::int64_t position) const {
    const std::int64_t row = position / grid.columns / row_step;
    const std::int64_t column = position % grid.columns / grid.channels / column_step;
    return static_cast<std::size_t>(row * columns + column);
  }
  std::size_t count() const { return static_cast<std::size_t>(rows * columns); }
  double width() const { return size * static_cast<double>(columns); }
  double height() const { return size * static_cast<double>(rows); }
  double x(std::size_t dot) const {
    return size * static_cast<double>(static_cast<std::int64_t>(dot) % columns);
  }
  double y(std::size_t dot) const {
    const std::int64_t row = static_cast<std::int64_t>(dot) / columns;
    return size * static_cast<double>(row);
  }

  SequenceGrid grid;
  std::int64_t row_step, column_step, rows, columns;
  double size;  // of a dot, in pixels
};

/// The colour of each dot of the picture that was read: of its first pixel; dark for a stream.
std::vector<Colour> picture_of(const Dots& dots, const std::vector<std::uint8_t>& tokens) {
  std::vector<Colour> colours(dots.count(), kDark);
  if (!dots.grid.is_picture) return colours;
  const auto channels = static_cast<std::size_t>(dots.grid.channels);
  for (std::size_t t = tokens.size() / channels * channels; t >= channels; t -= channels) {
    const std::uint8_t* pixel = tokens.data() + t - channels;
    colours[dots.of(static_cast<std::int64_t>(t - channels))] = {pixel[0], pixel[channels / 2],
                                                                 pixel[channels - 1]};
  }
  return colours;
}

void frame(Canvas& canvas, double left, double top, double width, double height, double thickness,
           Colour colour) {
  const std::vector<Point> corners = {{left, top},
                                      {left + width, top},
                                      {left + width, top + height},
                                      {left, top + height},
                                      {left, top}};
  canvas.stroke_path(corners, thickness, colour);
}

/// Around a panel, over none of its dots.
void frame_panel(Canvas& canvas, double left, double top, const Dots& dots) {
  frame(canvas, left - 0.5, top - 0.5, dots.width() + 1, dots.height() + 1, 1, kLine);
}

/// A ring around a dot, large enough to be found.
void mark_query(Canvas& canvas, double left, double top, const Dots& dots, std::int64_t position) {
  constexpr double kLeast = 8;
  const std::size_t dot = dots.of(position);
  const double side = std::max(kLeast, dots.size + 2);
  const double x = left + dots.x(dot) + dots.size / 2;
  const double y = top + dots.y(dot) + dots.size / 2;
  frame(canvas, x - side / 2, y - side / 2, side, side, 2, kQuery);
}

class Drawing {
 public:
  Drawing(const AttentionChoice& choice, const SequenceLayout& layout,
          const std::vector<std::uint8_t>& tokens)
      : choice_(choice),
        dots_(SequenceGrid(layout)),
        picture_(picture_of(dots_, tokens)),
        column_width_(std::max(dots_.width(), static_cast<double>(kSide)) + kGap),
        row_height_(dots_.height() + kCaption + kGap),
        top_(kTitle + (dots_.grid.is_picture ? dots_.height() + kGap : kLegend) + kHeads),
        canvas_(static_cast<std::int64_t>(kMargin + kLabels + kMargin +
                                          column_width_ * static_cast<double>(positions())),
                static_cast<std::int64_t>(top_ + kMargin +
                                          row_height_ * static_cast<double>(choice.layers.size() *
                                                                            choice.heads.size()))) {
  }

  Image draw(const std::vector<AttentionMap>& maps) {
    canvas_.text(kMargin, 44, "What the queries attend to", 26, Canvas::Align::kLeft, kInk);
    draw_legend();
    for (std::size_t i = 0; i < positions(); ++i) draw_position(i);
    for (std::size_t i = 0; i < maps.size(); ++i) {
      const std::size_t row = i / positions();
      if (i % positions() == 0) draw_label(maps[i], panel_top(row));
      draw_panel(maps[i], panel_left(i % positions()), panel_top(row));
    }
    return canvas_.image();
  }

 private:
  static constexpr double kLegend = 40;

  std::size_t positions() const { return choice_.positions.size(); }
  double panel_left(std::size_t column) const {
    return kMargin + kLabels + column_width_ * static_cast<double>(column);
  }
  double panel_top(std::size_t row) const { return top_ + row_height_ * static_cast<double>(row); }

  void text(double x, double y, const std::string& words, double size, Colour colour) {
    canvas_.text(x, y, words, size, Canvas::Align::kLeft, colour);
  }

  /// What colours mean, and beside it the picture itself with the queries.
  void draw_legend() {
    double left = kMargin;
    double y = kTitle + 20;
    if (dots_.grid.is_picture) {
      left = panel_left(0) + column_width_;
      draw_picture(panel_left(0), kTitle);
    }
    constexpr double kSwatch = 16;
    constexpr double kScale = 101;  // of the widest swatch
    const auto entry = [&](double width, const auto& swatch, const std::string& meaning) {
      const double words = left + (dots_.grid.is_picture ? kScale : width) + 11;
      swatch(words - 11 - width, y - 13);
      text(words, y, meaning, 15, kInk);
      if (dots_.grid.is_picture) {
        y += 26;
      } else {
        left = words + canvas_.text_width(meaning, 15) + 28;
      }
    };
    entry(
        kScale,
        [&](double x, double top) {
          for (int i = 0; i <= 100; ++i) {
            canvas_.fill_rectangle(x + i, top, 1, kSwatch,
                                   between(kDark, kAttended, std::sqrt(i / 100.0)));
          }
        },
        "attended to: nothing to the most of the panel");
    entry(
        kSwatch, [&](double x, double top) { frame(canvas_, x, top, kSwatch, kSwatch, 2, kQuery); },
        "the query");
    entry(
        kSwatch,
        [&](double x, double top) { canvas_.fill_rectangle(x, top, kSwatch, kSwatch, kLater); },
        "later: not yet seen");
    if (dots_.row_step * dots_.column_step > 1) {
      entry(
          0, [](double, double) {},
          "a dot is " + std::to_string(dots_.row_step) + " x " + std::to_string(dots_.column_step) +
              " positions");
    }
  }

  void draw_picture(double left, double top) {
    for (std::size_t dot = 0; dot < dots_.count(); ++dot) {
      canvas_.fill_rectangle(left + dots_.x(dot), top + dots_.y(dot), dots_.size, dots_.size,
                             picture_[dot]);
    }
    frame_panel(canvas_, left, top, dots_);
    for (const std::int64_t position : choice_.positions) {
      mark_query(canvas_, left, top, dots_, position);
    }
  }

  void draw_position(std::size_t column) {
    const std::int64_t position = choice_.positions[column];
    text(panel_left(column), top_ - 30, "position " + format_count(position), 16, kInk);
    text(panel_left(column), top_ - 11, dots_.grid.place(position), 13, kSoftInk);
  }

  void draw_label(const AttentionMap& map, double top) {
    text(kMargin, top + 16, "layer " + std::to_string(map.layer), 18, kInk);
    text(kMargin, top + 38, "head " + std::to_string(map.head), 15, kInk);
    text(kMargin, top + 60, map.pattern, 15, kSoftInk);
  }

  void draw_panel(const AttentionMap& map, double left, double top) {
    std::vector<double> weights(dots_.count(), 0.0);
    for (std::size_t i = 0; i < map.query.keys.size(); ++i) {
      weights[dots_.of(map.query.keys[i])] += static_cast<double>(map.query.weights[i]);
    }
    const double most = *std::ranges::max_element(weights);
    canvas_.fill_rectangle(left, top, dots_.width(), dots_.height(), kLater);
    for (std::size_t dot = dots_.count(); dot-- > 0;) {
      if (!is_seen(dot, map.position)) continue;
      constexpr double kDimness = 0.65;
      const double share = most > 0.0 ? std::sqrt(weights[dot] / most) : 0.0;
      canvas_.fill_rectangle(left + dots_.x(dot), top + dots_.y(dot), dots_.size, dots_.size,
                             between(between(picture_[dot], kDark, kDimness), kAttended, share));
    }
    frame_panel(canvas_, left, top, dots_);
    mark_query(canvas_, left, top, dots_, map.position);
    draw_caption(map, left, top + dots_.height() + 18);
  }

  /// Whether the dot holds the query or what is before it.
  bool is_seen(std::size_t dot, std::int64_t position) const {
    const auto columns = static_cast<std::size_t>(dots_.columns);
    const std::size_t query = dots_.of(position);
    if (dots_.row_step > 1) return dot / columns <= query / columns;
    return dot <= query;
  }

  void draw_caption(const AttentionMap& map, double left, double y) {
    const auto strongest = map.strongest();
    if (!strongest) return text(left, y, "no key", 13, kSoftInk);
    text(left, y,
         "spread over " + format_fixed(map.spread(), 1) + " of " +
             format_count(static_cast<std::int64_t>(map.query.keys.size())) + ", most " +
             format_fixed(static_cast<double>(map.query.weights[*strongest]), 3),
         13, kSoftInk);
  }

  const AttentionChoice& choice_;
  Dots dots_;
  std::vector<Colour> picture_;
  double column_width_, row_height_, top_;
  Canvas canvas_;
};

}  // namespace

Image draw_attention(const std::vector<AttentionMap>& maps, const AttentionChoice& choice,
                     const SequenceLayout& layout, const std::vector<std::uint8_t>& tokens) {
  return Drawing(choice, layout, tokens).draw(maps);
}

}  // namespace sparse_transformer
