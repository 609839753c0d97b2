// A small drawing surface for patterns and curves, over cairo.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "files/png.h"

namespace sparse_transformer {

/// Red, green and blue, 0 to 255.
struct Colour {
  std::uint8_t red = 0, green = 0, blue = 0;
  bool operator==(const Colour&) const = default;
};

struct Point {
  double x = 0.0, y = 0.0;
};

/// A white picture to draw on. Lengths and positions are in pixels, from the upper left corner;
/// what falls outside is cut off. Text is UTF-8 in the system's sans-serif typeface.
class Canvas {
 public:
  enum class Align { kLeft, kCentre, kRight };

  Canvas(std::int64_t width, std::int64_t height);
  ~Canvas();

  void fill_rectangle(double x, double y, double width, double height, Colour colour);
  void stroke_line(double x0, double y0, double x1, double y1, double thickness, Colour colour);
  /// The lines from point to point, with round corners; a single point is a dot.
  void stroke_path(std::span<const Point> points, double thickness, Colour colour);
  void fill_circle(double x, double y, double radius, Colour colour);
  /// What is drawn from now on is cut off outside of this rectangle, until clip_to_all().
  void clip_to(double x, double y, double width, double height);
  void clip_to_all();
  /// `x` is the text's left end, middle or right end, `y` its baseline; `size` is the height of the
  /// typeface.
  void text(double x, double y, const std::string& text, double size, Align align, Colour colour);
  double text_width(const std::string& text, double size);

  /// What has been drawn so far, in RGB.
  Image image() const;

 private:
  struct Surface;
  std::unique_ptr<Surface> surface_;
};

}  // namespace sparse_transformer
