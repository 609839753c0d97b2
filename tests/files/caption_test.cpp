#include "files/caption.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sparse_transformer {
namespace {

Image white(std::int64_t width, std::int64_t height, std::int64_t channels) {
  Image image = black_image(width, height, channels);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{255});
  return image;
}

TEST(Caption, StandsAboveThePicture) {
  for (const std::int64_t channels : {1, 3}) {
    Image plain = white(130, 40, channels);
    plain.pixels.front() = 7;
    const Image image = captioned(plain, "step 1,000");
    EXPECT_EQ(image.width, 130);
    EXPECT_EQ(image.height, 40 + kCaptionHeight);
    EXPECT_EQ(image.channels, channels);
    const auto below = image.pixels.end() - std::ssize(plain.pixels);
    EXPECT_TRUE(std::equal(below, image.pixels.end(), plain.pixels.begin()));
    const auto dark =
        std::count_if(image.pixels.begin(), below, [](std::uint8_t value) { return value < 100; });
    EXPECT_GT(dark, 25 * channels);
    EXPECT_LT(dark, 300 * channels);
  }
}

TEST(Caption, IsCutOffWhereThePictureIsNarrow) {
  const Image image = captioned(white(3, 2, 3), "step 123,456,789");
  EXPECT_EQ(image.width, 3);
  EXPECT_EQ(image.pixels.size(), static_cast<std::size_t>(3 * 26 * 3));
}

TEST(Caption, AWidePictureIsWhiteBehindIt) {
  const Image image = captioned(white(5000, 1, 1), "step 1");
  EXPECT_EQ(*std::min_element(image.pixels.begin() + 2000, image.pixels.begin() + 5000), 255);
}

}  // namespace
}  // namespace sparse_transformer
