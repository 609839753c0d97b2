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

/// Tag, type, count and value of the orientation alone.
std::vector<std::byte> orientation_block(std::uint32_t type, std::uint32_t count, int size,
                                         bool little) {
  std::vector<std::byte> block(2, static_cast<std::byte>(little ? 'I' : 'M'));
  const auto number = [&](std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      block.push_back(static_cast<std::byte>(value >> 8 * (little ? i : bytes - 1 - i)));
    }
  };
  number(42, 2), number(8, 4), number(1, 2);
  number(0x0112, 2), number(type, 2), number(count, 4), number(6, size);
  block.resize(block.size() + static_cast<std::size_t>(4 - size) + 4);
  return block;
}

TEST(Exif, orientation_is_an_integer_of_any_type) {
  for (const bool little : {true, false}) {
    for (const auto& [type, size] :
         {std::pair(1U, 1), {3U, 2}, {4U, 4}, {6U, 1}, {8U, 2}, {9U, 4}}) {
      EXPECT_EQ(exif_orientation(orientation_block(type, 1, size, little)), 6) << type;
      EXPECT_EQ(exif_orientation(orientation_block(type, 0, size, little)), std::nullopt) << type;
    }
    for (const std::uint32_t type : {0U, 2U, 5U, 7U, 11U, 13U}) {  // text, fractions …
      EXPECT_EQ(exif_orientation(orientation_block(type, 1, 2, little)), std::nullopt) << type;
    }
  }
}

TEST(Exif, the_first_of_several_orientations_counts) {
  for (const bool little : {true, false}) {
    for (const auto& [type, size] : {std::pair(1U, 1), {3U, 2}}) {
      EXPECT_EQ(exif_orientation(orientation_block(type, 2, size, little)), 6) << type;
    }
    // Four values of 16 bits do not fit into the field, which says where they are: after the block.
    auto block = orientation_block(3, 4, 4, little);
    block[18 + (little ? 0 : 3)] = static_cast<std::byte>(block.size());
    block.resize(block.size() + 8);
    block[block.size() - 8 + (little ? 0 : 1)] = std::byte{6};
    EXPECT_EQ(exif_orientation(block), 6);
    block.resize(block.size() - 8);
    EXPECT_EQ(exif_orientation(block), 1) << "beyond the block";
  }
}

TEST(Exif, a_prefix_and_a_magic_number_of_the_other_byte_order_are_passed_over) {
  for (const bool little : {true, false}) {
    std::vector<std::byte> block = orientation_block(3, 1, 2, little);
    std::swap(block[2], block[3]);
    EXPECT_EQ(exif_orientation(block), 6);
    for (int times = 0; times < 2; ++times) {
      for (const char letter : {'\0', '\0', 'f', 'i', 'x', 'E'}) {
        block.insert(block.begin(), static_cast<std::byte>(letter));
      }
      EXPECT_EQ(exif_orientation(block), 6);
    }
  }
}

TEST(Exif, orientation_is_read_from_xmp) {
  for (const char* xmp :
       {"<rdf:Description tiff:Orientation=\"6\"/>", "tiff:Orientation = '6'",
        "<tiff:Orientation>6</tiff:Orientation>", "<tiff:Orientation>\n  6\n</tiff:Orientation>",
        "see tiff:Orientation. <tiff:Orientation>6</tiff:Orientation>"}) {
    EXPECT_EQ(xmp_orientation(xmp), 6) << xmp;
  }
  for (const char* xmp :
       {"tiff:Orientation=\"9\"", "tiff:Orientation=\"60\"", "tiff:Orientation=\"0\""}) {
    EXPECT_EQ(xmp_orientation(xmp), 1) << xmp;
  }
  for (const char* xmp : {"", "tiff:Orientation", "tiff:Orientation6", "<tiff:Orientation/>6",
                          "tiff:Orientation=\"", "tiff:Orientation=\"left\"", "tiff:Width=\"6\""}) {
    EXPECT_EQ(xmp_orientation(xmp), std::nullopt) << xmp;
  }
}

TEST(Exif, raw_profiles_are_hexadecimal) {
  const auto bytes = [](std::initializer_list<int> values) {
    std::vector<std::byte> found;
    for (const int value : values) found.push_back(static_cast<std::byte>(value));
    return found;
  };
  EXPECT_EQ(raw_profile("\nexif\n       5\n4578\n69aF\n0c\n"),
            bytes({0x45, 0x78, 0x69, 0xAF, 0x0C}));
  EXPECT_EQ(raw_profile("exif 2 4578"), bytes({0x45, 0x78}));
  EXPECT_EQ(raw_profile("\nexif\n 2\n45 7x 8"), bytes({0x45}));
  for (const char* text : {"", "\n", "exif", "\nexif\n 3", "\nexif\n 3\n", "\nexif\n 3\n!"}) {
    EXPECT_EQ(raw_profile(text), bytes({})) << text;
  }
}

TEST(Exif, what_is_damaged_says_nothing) {
  const auto block = exif_block(6);
  for (std::size_t size = 0; size < block.size(); ++size) {
    const auto orientation = exif_orientation(std::as_bytes(std::span(block).first(size)));
    EXPECT_TRUE(!orientation || *orientation == 1 || (*orientation == 6 && size >= 32)) << size;
  }
  auto damaged = block;
  for (std::size_t i = 4; i < 10; ++i) damaged[i] = 0xFF;  // the directory's place and length
  EXPECT_EQ(exif_orientation(std::as_bytes(std::span(damaged))), std::nullopt);
  const auto nine = exif_block(9);
  EXPECT_EQ(exif_orientation(std::as_bytes(std::span(nine))), 1);
}

}  // namespace
}  // namespace sparse_transformer
