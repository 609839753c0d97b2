#include "files/resize.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "tests/files/picture_files.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Le;

Image row(std::vector<std::uint8_t> pixels) {
  return {std::ssize(pixels), 1, 1, std::move(pixels)};
}

TEST(Resize, the_same_size_gives_the_same_pixels) {
  for (const std::int64_t channels : {1, 3}) {
    const Image image = smooth_image(9, 7, channels);
    for (const Fit how : {Fit::kCrop, Fit::kPad, Fit::kStretch}) {
      EXPECT_EQ(fit(image, 9, 7, how).pixels, image.pixels);
    }
  }
}

// A triangle over four pixels has the weights 1 3 3 1 (in eighths).
TEST(Resize, halves_by_a_triangle) {
  EXPECT_THAT(resize(row({0, 80, 160, 80, 0, 0}), {0, 0, 6, 1}, 3, 1).pixels,
              ElementsAre(57, 100, 11));  // the outer ones of the triangle fall off at the ends
}

TEST(Resize, doubles_by_the_line_between_two_pixels) {
  EXPECT_THAT(resize(row({0, 100}), {0, 0, 2, 1}, 4, 1).pixels, ElementsAre(0, 25, 75, 100));
}

TEST(Resize, nothing_flickers_away) {
  Image stripes = black_image(256, 256, 1);
  for (std::size_t i = 0; i < stripes.pixels.size(); i += 2) stripes.pixels[i] = 255;
  EXPECT_THAT(fit(stripes, 16, 16, Fit::kStretch).pixels, Each(AllOf(Ge(124), Le(131))));
}

TEST(Resize, one_colour_stays_as_it_is) {
  for (const std::uint8_t level : {0, 1, 127, 254, 255}) {
    Image flat = black_image(101, 67, 3);
    std::fill(flat.pixels.begin(), flat.pixels.end(), level);
    for (const std::int64_t size : {1, 7, 64, 200}) {
      EXPECT_THAT(fit(flat, size, size, Fit::kCrop).pixels, Each(level));
    }
  }
}

TEST(Resize, crops_the_middle) {
  const Image wide{6, 2, 1, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
  EXPECT_THAT(fit(wide, 2, 2, Fit::kCrop).pixels, ElementsAre(3, 4, 9, 10));
  const Image high{1, 5, 1, {1, 2, 3, 4, 5}};
  EXPECT_THAT(fit(high, 1, 1, Fit::kCrop).pixels, ElementsAre(3));
}

TEST(Resize, pads_with_black) {
  EXPECT_THAT(fit(row({9, 9}), 2, 4, Fit::kPad).pixels, ElementsAre(0, 0, 9, 9, 0, 0, 0, 0));
  const Image high{1, 3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}};
  EXPECT_THAT(fit(high, 2, 3, Fit::kPad).pixels,
              ElementsAre(1, 2, 3, 0, 0, 0, 4, 5, 6, 0, 0, 0, 7, 8, 9, 0, 0, 0));
}

TEST(Resize, extreme_shapes_keep_a_pixel) {
  const Image line = smooth_image(1000, 1, 3);
  for (const Fit how : {Fit::kCrop, Fit::kPad, Fit::kStretch}) {
    EXPECT_EQ(fit(line, 3, 5, how).pixels.size(), 45U);
    EXPECT_EQ(fit(smooth_image(1, 1000, 1), 3, 5, how).pixels.size(), 15U);
  }
}

}  // namespace
}  // namespace sparse_transformer
