#include "data/picture_codec.h"

#include <gtest/gtest.h>

#include <vector>

namespace sparse_transformer {
namespace {

using Samples = std::vector<std::vector<std::uint8_t>>;

const std::vector<std::int64_t> kGrey = {64, 64, 1};
const std::vector<std::uint8_t> kBlack(4096, 0);

TEST(PictureCodec, ASinglePictureIsItsOwnPixels) {
  const Image image = draw_pictures({2, 1, 3}, {{1, 2, 3, 4, 5, 6}}, 0);
  EXPECT_EQ(image.width, 1);
  EXPECT_EQ(image.height, 2);
  EXPECT_EQ(image.pixels, (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6}));
}

TEST(PictureCodec, SmallPicturesAreEnlarged) {
  const std::vector<std::uint8_t> tiny(3, 0);
  const Image image = draw_pictures({1, 1, 3}, {tiny, tiny}, 1);
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(image.width, 64);
  EXPECT_EQ(image.height, 2 * 64 + 2);
}

TEST(PictureCodec, ColumnsAreAsManyAsAskedFor) {
  const Samples five(5, kBlack);
  EXPECT_EQ(draw_pictures(kGrey, five, 0).width, 3 * 66 - 2);
  EXPECT_EQ(draw_pictures(kGrey, five, 5).width, 5 * 66 - 2);
  EXPECT_EQ(draw_pictures(kGrey, five, 2).height, 3 * 66 - 2);
  EXPECT_EQ(draw_pictures(kGrey, five, 10).width, 5 * 66 - 2);
}

}  // namespace
}  // namespace sparse_transformer
