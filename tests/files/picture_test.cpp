#include "files/picture.h"

#include <gmock/gmock.h>

#include <string>

#include "config/errors.h"
#include "files/png.h"
#include "tests/files/expect_error.h"
#include "tests/files/picture_files.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Picture, is_recognised_by_its_content) {
  const Image image = smooth_image(24, 16, 3);
  EXPECT_EQ(decode_picture(encode_png(image, {}), "a.jpg").pixels, image.pixels);
  EXPECT_LE(largest_difference(decode_picture(make_jpeg({.image = image}), "a.png"), image), 16);
}

TEST(Picture, what_is_of_another_kind_is_called_that) {
  using std::string_literals::operator""s;
  for (const auto& [begin, kind] : std::vector<std::pair<std::string, std::string>>{
           {"GIF89a\1\0\1\0"s, "a GIF"},
           {"RIFF\x20\0\0\0WEBPVP8 "s, "a WebP"},
           {"\0\0\0\x20"s + "ftypavif", "an AVIF"},
           {"\0\0\0\x18"s + "ftypheic", "a HEIC"},
           {"II*\0\x08\0\0\0"s, "a TIFF"},
           {"MM\0*\0\0\0\x08"s, "a TIFF"},
           {"BM\x46\0\0\0\0\0\0\0\x36\0\0\0"s, "a BMP"},
           {"\0\0\0\x0cjP  \r\n\x87\n"s, "a JPEG 2000"},
           {"P6\n1 1\n255\n", "a PNM"},
           {"\0\0\1\0\1\0"s, "an icon (ICO)"},
           {"\x89PNG\n\x1a\n", "a PNG that was damaged by a transfer as text"}}) {
    EXPECT_EQ(message_of<UserError>([&] { decode_picture(std::as_bytes(std::span(begin)), "a"); }),
              "a: " + kind + "; expected PNG or JPEG");
  }
}

TEST(Picture, what_is_none_is_named) {
  for (const std::string text : {"cats and dogs", "P1of", "BMW and Opel", "Pf", "B"}) {
    EXPECT_THAT(message_of<UserError>(
                    [&] { decode_picture(std::as_bytes(std::span(text)), "labels.txt"); }),
                AllOf(StartsWith("labels.txt: not a picture"), HasSubstr("PNG or JPEG")));
  }
  EXPECT_THAT(message_of<UserError>([&] { decode_picture({}, "a.png"); }),
              StartsWith("a.png: empty"));
}

}  // namespace
}  // namespace sparse_transformer
