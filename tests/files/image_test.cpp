#include "files/image.h"

#include <gmock/gmock.h>

#include "config/errors.h"
#include "files/exif.h"
#include "tests/files/expect_error.h"
#include "tests/files/picture_files.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Image, sizes_are_bounded) {
  EXPECT_NO_THROW(check_picture_size(65'535, 4096, "a"));
  EXPECT_NO_THROW(check_picture_size(16'384, 16'384, "a"));
  EXPECT_THROW(check_picture_size(65'536, 1, "a"), UserError);
  EXPECT_THROW(check_picture_size(1, 65'536, "a"), UserError);
  EXPECT_THAT(message_of<UserError>([] { check_picture_size(16'385, 16'384, "a.png"); }),
              AllOf(StartsWith("a.png"), HasSubstr("16385 x 16384")));
}

TEST(Image, grey_is_the_luma_of_bt_601) {
  const Image colours{4, 1, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}};
  const Image grey = with_channels(colours, 1);
  EXPECT_EQ(grey.channels, 1);
  EXPECT_THAT(grey.pixels, ElementsAre(76, 150, 29, 255));
  EXPECT_EQ(with_channels(colours, 3).pixels, colours.pixels);
}

TEST(Image, grey_becomes_colours_that_are_grey) {
  EXPECT_THAT(with_channels({2, 1, 1, {7, 9}}, 3).pixels, ElementsAre(7, 7, 7, 9, 9, 9));
}

// 1 2 3
// 4 5 6
TEST(Image, each_orientation_is_put_right) {
  const Image stored{3, 2, 1, {1, 2, 3, 4, 5, 6}};
  EXPECT_THAT(upright(stored, 1).pixels, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(upright(stored, 2).pixels, ElementsAre(3, 2, 1, 6, 5, 4));
  EXPECT_THAT(upright(stored, 3).pixels, ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(upright(stored, 4).pixels, ElementsAre(4, 5, 6, 1, 2, 3));
  EXPECT_THAT(upright(stored, 5).pixels, ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(upright(stored, 6).pixels, ElementsAre(4, 1, 5, 2, 6, 3));
  EXPECT_THAT(upright(stored, 7).pixels, ElementsAre(6, 3, 5, 2, 4, 1));
  EXPECT_THAT(upright(stored, 8).pixels, ElementsAre(3, 6, 2, 5, 1, 4));
  EXPECT_EQ(upright(stored, 4).width, 3);
  EXPECT_EQ(upright(stored, 5).width, 2);
  EXPECT_EQ(upright(stored, 5).height, 3);
  EXPECT_THAT(upright({2, 1, 3, {1, 2, 3, 4, 5, 6}}, 2).pixels, ElementsAre(4, 5, 6, 1, 2, 3));
}

TEST(Exif, orientation_is_read_in_both_byte_orders) {
  for (const bool little : {true, false}) {
    for (int orientation = 1; orientation <= 8; ++orientation) {
      const auto block = exif_block(orientation, little);
      EXPECT_EQ(exif_orientation(std::as_bytes(std::span(block))), orientation);
    }
  }
}

TEST(Exif, what_is_damaged_says_nothing) {
  const auto block = exif_block(6);
  for (std::size_t size = 0; size < block.size(); ++size) {
    const int orientation = exif_orientation(std::as_bytes(std::span(block).first(size)));
    EXPECT_TRUE(orientation == 1 || (orientation == 6 && size >= 32)) << size;
  }
  auto damaged = block;
  for (std::size_t i = 4; i < 10; ++i) damaged[i] = 0xFF;  // the directory's place and length
  EXPECT_EQ(exif_orientation(std::as_bytes(std::span(damaged))), 1);
  const auto nine = exif_block(9);
  EXPECT_EQ(exif_orientation(std::as_bytes(std::span(nine))), 1);
}

}  // namespace
}  // namespace sparse_transformer
