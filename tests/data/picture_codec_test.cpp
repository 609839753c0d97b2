#include "data/picture_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "files/png.h"

namespace sparse_transformer {
namespace {

using Samples = std::vector<std::vector<std::uint8_t>>;

const std::vector<std::int64_t> kGrey = {64, 64, 1};
const std::vector<std::uint8_t> kBlack(4096, 0);

Image drawn(const std::vector<std::int64_t>& shape, const Samples& samples,
            const PictureGrid& grid) {
  return decode_png(encode_pictures(shape, samples, grid, {}), "grid");
}

std::int64_t dark_pixels(const Image& image, std::int64_t first_row, std::int64_t rows) {
  const auto begin = image.pixels.begin() + first_row * image.width * image.channels;
  return std::count_if(begin, begin + rows * image.width * image.channels,
                       [](std::uint8_t value) { return value < 100; });
}

TEST(PictureCodec, ACaptionStandsAboveTheGrid) {
  const Image plain = drawn(kGrey, {kBlack, kBlack}, {});
  const Image captioned = drawn(kGrey, {kBlack, kBlack}, {.columns = 0, .caption = "step 1,000"});
  ASSERT_EQ(captioned.width, plain.width);
  ASSERT_EQ(captioned.height, plain.height + 24);
  EXPECT_TRUE(std::equal(plain.pixels.begin(), plain.pixels.end(),
                         captioned.pixels.end() - std::ssize(plain.pixels)));
  EXPECT_GT(dark_pixels(captioned, 0, 24), 50);
  EXPECT_LT(dark_pixels(captioned, 0, 24), 600);
}

TEST(PictureCodec, ACaptionIsNeverInASinglePicture) {
  const Image image = drawn(kGrey, {kBlack}, {.columns = 0, .caption = "step 1,000"});
  EXPECT_EQ(image.height, 64);
  EXPECT_EQ(image.pixels, kBlack);
}

TEST(PictureCodec, CaptionsFitColoursAndNarrowGrids) {
  const std::vector<std::uint8_t> tiny(3, 0);
  const Image image = drawn({1, 1, 3}, {tiny, tiny}, {.columns = 1, .caption = "step 123,456,789"});
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(image.width, 64);
  EXPECT_EQ(image.height, 24 + 2 * 64 + 2);
}

TEST(PictureCodec, ColumnsAreAsManyAsAskedFor) {
  const Samples five(5, kBlack);
  EXPECT_EQ(drawn(kGrey, five, {}).width, 3 * 66 - 2);
  EXPECT_EQ(drawn(kGrey, five, {.columns = 5, .caption = {}}).width, 5 * 66 - 2);
  EXPECT_EQ(drawn(kGrey, five, {.columns = 2, .caption = {}}).height, 3 * 66 - 2);
  EXPECT_EQ(drawn(kGrey, five, {.columns = 10, .caption = {}}).width, 5 * 66 - 2);
}

}  // namespace
}  // namespace sparse_transformer
