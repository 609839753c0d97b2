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

TEST(Picture, what_is_none_is_named) {
  const std::string text = "cats and dogs";
  EXPECT_THAT(
      message_of<UserError>([&] { decode_picture(std::as_bytes(std::span(text)), "labels.txt"); }),
      AllOf(StartsWith("labels.txt: not a picture"), HasSubstr("PNG or JPEG")));
  EXPECT_THAT(message_of<UserError>([&] { decode_picture({}, "a.png"); }),
              StartsWith("a.png: empty"));
}

}  // namespace
}  // namespace sparse_transformer
