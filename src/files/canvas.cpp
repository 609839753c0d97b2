#include "files/canvas.h"

#include <cairo.h>

#include <cstring>
#include <numbers>
#include <stdexcept>

#include "config/characters.h"

namespace sparse_transformer {

namespace {

void set_colour(cairo_t* context, Colour colour) {
  cairo_set_source_rgb(context, colour.red / 255.0, colour.green / 255.0, colour.blue / 255.0);
}

cairo_text_extents_t measure(cairo_t* context, const std::string& text, double size) {
  cairo_set_font_size(context, size);
  cairo_text_extents_t extents;
  cairo_text_extents(context, printable(text).c_str(), &extents);
  return extents;
}

}  // namespace

struct Canvas::Surface {
  Surface(std::int64_t width, std::int64_t height)
      : image(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(width),
                                         static_cast<int>(height))),
        context(cairo_create(image)) {}
  Surface(const Surface&) = delete;
  Surface& operator=(const Surface&) = delete;
  ~Surface() {
    cairo_destroy(context);
    cairo_surface_destroy(image);
  }

  cairo_surface_t* image;
  cairo_t* context;
};

Canvas::Canvas(std::int64_t width, std::int64_t height)
    : surface_(std::make_unique<Surface>(width, height)) {
  if (cairo_status(surface_->context) != CAIRO_STATUS_SUCCESS) {
    throw std::logic_error("no canvas of " + std::to_string(width) + " x " +
                           std::to_string(height) + " pixels");
  }
  cairo_select_font_face(surface_->context, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                         CAIRO_FONT_WEIGHT_NORMAL);
  constexpr Colour kWhite{255, 255, 255};
  fill_rectangle(0, 0, static_cast<double>(width), static_cast<double>(height), kWhite);
}

Canvas::~Canvas() = default;

void Canvas::fill_rectangle(double x, double y, double width, double height, Colour colour) {
  set_colour(surface_->context, colour);
  cairo_rectangle(surface_->context, x, y, width, height);
  cairo_fill(surface_->context);
}

void Canvas::stroke_line(double x0, double y0, double x1, double y1, double thickness,
                         Colour colour) {
  set_colour(surface_->context, colour);
  cairo_set_line_width(surface_->context, thickness);
  cairo_move_to(surface_->context, x0, y0);
  cairo_line_to(surface_->context, x1, y1);
  cairo_stroke(surface_->context);
}

void Canvas::stroke_path(std::span<const Point> points, double thickness, Colour colour) {
  if (points.empty()) return;
  set_colour(surface_->context, colour);
  cairo_set_line_width(surface_->context, thickness);
  cairo_set_line_cap(surface_->context, CAIRO_LINE_CAP_ROUND);
  cairo_set_line_join(surface_->context, CAIRO_LINE_JOIN_ROUND);
  cairo_move_to(surface_->context, points.front().x, points.front().y);
  for (const Point& point : points) cairo_line_to(surface_->context, point.x, point.y);
  cairo_stroke(surface_->context);
  cairo_set_line_cap(surface_->context, CAIRO_LINE_CAP_BUTT);
}

void Canvas::fill_circle(double x, double y, double radius, Colour colour) {
  set_colour(surface_->context, colour);
  cairo_arc(surface_->context, x, y, radius, 0, 2 * std::numbers::pi);
  cairo_fill(surface_->context);
}

void Canvas::clip_to(double x, double y, double width, double height) {
  cairo_rectangle(surface_->context, x, y, width, height);
  cairo_clip(surface_->context);
}

void Canvas::clip_to_all() { cairo_reset_clip(surface_->context); }

void Canvas::text(double x, double y, const std::string& text, double size, Align align,
                  Colour colour) {
  const double width = text_width(text, size);
  const double left = align == Align::kLeft     ? x
                      : align == Align::kCentre ? x - width / 2
                                                : x - width;
  set_colour(surface_->context, colour);
  cairo_move_to(surface_->context, left, y);
  cairo_show_text(surface_->context, printable(text).c_str());
}

double Canvas::text_width(const std::string& text, double size) {
  return measure(surface_->context, text, size).x_advance;
}

Image Canvas::image() const {
  cairo_surface_flush(surface_->image);
  Image image;
  image.width = cairo_image_surface_get_width(surface_->image);
  image.height = cairo_image_surface_get_height(surface_->image);
  const unsigned char* row = cairo_image_surface_get_data(surface_->image);
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      std::uint32_t pixel = 0;  // 0x__RRGGBB
      std::memcpy(&pixel, row + 4 * x, sizeof pixel);
      image.pixels.push_back(static_cast<std::uint8_t>(pixel >> 16));
      image.pixels.push_back(static_cast<std::uint8_t>(pixel >> 8));
      image.pixels.push_back(static_cast<std::uint8_t>(pixel));
    }
    row += cairo_image_surface_get_stride(surface_->image);
  }
  return image;
}

}  // namespace sparse_transformer
