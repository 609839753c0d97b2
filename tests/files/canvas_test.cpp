#include "files/canvas.h"

#include <gmock/gmock.h>

#include <array>
#include <stdexcept>

namespace sparse_transformer {
namespace {

using Pixel = std::array<int, 3>;

constexpr Pixel kWhite{255, 255, 255};

Pixel pixel(const Image& image, std::int64_t x, std::int64_t y) {
  const std::uint8_t* rgb = image.pixels.data() + (y * image.width + x) * 3;
  return {rgb[0], rgb[1], rgb[2]};
}

/// The columns that hold anything but white: first and one past the last; -1, -1 where there is
/// none.
std::pair<std::int64_t, std::int64_t> inked_columns(const Image& image) {
  std::pair<std::int64_t, std::int64_t> columns{-1, -1};
  for (std::int64_t x = 0; x < image.width; ++x) {
    for (std::int64_t y = 0; y < image.height; ++y) {
      if (pixel(image, x, y) == kWhite) continue;
      if (columns.first < 0) columns.first = x;
      columns.second = x + 1;
    }
  }
  return columns;
}

TEST(Canvas, begins_white) {
  const Image image = Canvas(5, 3).image();
  EXPECT_EQ(image.width, 5);
  EXPECT_EQ(image.height, 3);
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(image.pixels, std::vector<std::uint8_t>(45, 255));
}

TEST(Canvas, rectangle_fills_exactly_its_pixels) {
  Canvas canvas(5, 4);
  canvas.fill_rectangle(1, 2, 3, 1, {10, 20, 30});
  const Image image = canvas.image();
  for (std::int64_t y = 0; y < 4; ++y) {
    for (std::int64_t x = 0; x < 5; ++x) {
      const bool inside = x >= 1 && x < 4 && y == 2;
      EXPECT_EQ(pixel(image, x, y), (inside ? Pixel{10, 20, 30} : kWhite)) << x << ' ' << y;
    }
  }
}

TEST(Canvas, line_has_its_thickness) {
  Canvas canvas(6, 6);
  canvas.stroke_line(0, 3, 6, 3, 2, {255, 0, 0});
  const Image image = canvas.image();
  EXPECT_EQ(pixel(image, 3, 1), kWhite);
  EXPECT_EQ(pixel(image, 3, 2), (Pixel{255, 0, 0}));
  EXPECT_EQ(pixel(image, 3, 3), (Pixel{255, 0, 0}));
  EXPECT_EQ(pixel(image, 3, 4), kWhite);
}

TEST(Canvas, path_goes_from_point_to_point) {
  Canvas canvas(30, 30);
  const std::vector<Point> corner = {{5, 5}, {25, 5}, {25, 25}};
  canvas.stroke_path(corner, 2, {255, 0, 0});
  canvas.stroke_path({}, 2, {});
  const Image image = canvas.image();
  constexpr Pixel kRed{255, 0, 0};
  EXPECT_EQ(pixel(image, 15, 5), kRed);
  EXPECT_EQ(pixel(image, 25, 15), kRed);
  EXPECT_EQ(pixel(image, 15, 15), kWhite);  // it is not closed
}

// cairo draws nothing more after a text that is not UTF-8.
TEST(Canvas, text_that_is_not_utf8_is_drawn_escaped) {
  const auto drawn = [](const std::string& text) {
    Canvas canvas(200, 40);
    canvas.text(4, 30, text, 20, Canvas::Align::kLeft, {0, 0, 0});
    canvas.fill_circle(190, 10, 5, {255, 0, 0});
    return canvas.image();
  };
  EXPECT_EQ(drawn("caf\xe9").pixels, drawn("caf\\xe9").pixels);
  EXPECT_EQ(pixel(drawn("caf\xe9"), 190, 10), (Pixel{255, 0, 0}));
}

TEST(Canvas, circle_is_round) {
  Canvas canvas(20, 20);
  canvas.fill_circle(10, 10, 8, {0, 0, 255});
  const Image image = canvas.image();
  EXPECT_EQ(pixel(image, 10, 3), (Pixel{0, 0, 255}));
  EXPECT_EQ(pixel(image, 3, 10), (Pixel{0, 0, 255}));
  EXPECT_EQ(pixel(image, 3, 3), kWhite);
}

TEST(Canvas, a_clip_cuts_off_until_it_is_lifted) {
  Canvas canvas(10, 10);
  canvas.clip_to(2, 2, 4, 4);
  canvas.fill_rectangle(0, 0, 10, 10, {1, 2, 3});
  canvas.clip_to_all();
  canvas.fill_rectangle(8, 8, 1, 1, {4, 5, 6});
  const Image image = canvas.image();
  EXPECT_EQ(pixel(image, 5, 5), (Pixel{1, 2, 3}));
  EXPECT_EQ(pixel(image, 6, 5), kWhite);
  EXPECT_EQ(pixel(image, 8, 8), (Pixel{4, 5, 6}));
}

TEST(Canvas, what_falls_outside_is_cut_off) {
  Canvas canvas(2, 2);
  canvas.fill_rectangle(-5, -5, 100, 100, {1, 2, 3});
  EXPECT_EQ(pixel(canvas.image(), 1, 1), (Pixel{1, 2, 3}));
}

TEST(Canvas, text_is_aligned) {
  const auto inked = [](Canvas::Align align) {
    Canvas canvas(200, 40);
    canvas.text(100, 30, "HHH", 20, align, {});
    return inked_columns(canvas.image());
  };
  const auto left = inked(Canvas::Align::kLeft);
  const auto centre = inked(Canvas::Align::kCentre);
  const auto right = inked(Canvas::Align::kRight);
  ASSERT_GE(left.first, 100);
  EXPECT_LE(right.second, 101);
  EXPECT_GT(right.first, 0);
  EXPECT_NEAR(static_cast<double>(centre.first + centre.second) / 2, 100, 2);
}

TEST(Canvas, width_of_text_grows_with_length_and_size) {
  Canvas canvas(10, 10);
  const double width = canvas.text_width("HHH", 20);
  EXPECT_GT(width, 0);
  EXPECT_NEAR(canvas.text_width("HHHHHH", 20), 2 * width, 2);
  EXPECT_NEAR(canvas.text_width("HHH", 40), 2 * width, 2);
  EXPECT_EQ(canvas.text_width("", 20), 0);
}

TEST(Canvas, impossible_size_is_the_programmers_error) {
  EXPECT_THROW(Canvas(-1, 5), std::logic_error);
  EXPECT_THROW(Canvas(1'000'000, 5), std::logic_error);
}

}  // namespace
}  // namespace sparse_transformer
