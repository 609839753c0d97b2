#include "files/jpeg.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <string>

#include "config/errors.h"
#include "tests/files/expect_error.h"
#include "tests/files/picture_files.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

/// Where the bytes first stand in the file; its end where nowhere.
std::size_t find(const std::vector<std::byte>& file, std::vector<int> bytes) {
  const auto at = std::search(file.begin(), file.end(), bytes.begin(), bytes.end(),
                              [](std::byte a, int b) { return std::to_integer<int>(a) == b; });
  return static_cast<std::size_t>(at - file.begin());
}

TEST(Jpeg, grey_and_colour_baseline_and_progressive) {
  for (const std::int64_t channels : {1, 3}) {
    for (const bool progressive : {false, true}) {
      const Image image = smooth_image(37, 23, channels);
      const Image read = decode_jpeg(make_jpeg({.image = image, .progressive = progressive}), "a");
      EXPECT_EQ(read.channels, channels);
      EXPECT_LE(largest_difference(read, image), 8);
    }
  }
}

TEST(Jpeg, inks_become_light) {
  // Cyan, magenta, yellow, black; 255 is all ink.
  constexpr std::array<std::array<std::uint8_t, 4>, 4> kInks = {
      {{255, 0, 0, 0}, {0, 0, 0, 128}, {0, 0, 0, 0}, {0, 128, 255, 64}}};
  constexpr std::array<std::array<std::uint8_t, 3>, 4> kLight = {
      {{0, 255, 255}, {127, 127, 127}, {255, 255, 255}, {191, 95, 0}}};
  for (std::size_t i = 0; i < kInks.size(); ++i) {
    // A file without Adobe's marker is taken for one of Adobe's, too: 255 is no ink.
    for (const auto& [ycck, adobe] : {std::pair(false, false), {false, true}, {true, true}}) {
      Image inks = black_image(16, 16, 4);
      Image light = black_image(16, 16, 3);
      for (std::size_t at = 0; at < inks.pixels.size(); ++at) {
        const std::uint8_t ink = kInks.at(i).at(at % 4);
        inks.pixels[at] = static_cast<std::uint8_t>(255 - ink);
      }
      for (std::size_t at = 0; at < light.pixels.size(); ++at) {
        light.pixels[at] = kLight.at(i).at(at % 3);
      }
      const Image read = decode_jpeg(make_jpeg({.image = inks, .ycck = ycck, .adobe = adobe}), "a");
      EXPECT_LE(largest_difference(read, light), 3) << i << ' ' << ycck << adobe;
    }
  }
}

TEST(Jpeg, is_turned_upright) {
  const Image image = smooth_image(40, 16, 3);
  const Image read = decode_jpeg(make_jpeg({.image = image, .exif = exif_block(6)}), "a");
  EXPECT_LE(largest_difference(read, upright(image, 6)), 16);
}

/// After the first two bytes, a marker APP1 with this content.
std::vector<std::byte> with_metadata(std::vector<std::byte> file, const std::string& content) {
  const std::size_t size = content.size() + 2;
  const std::string marker = std::string("\xff\xe1") + static_cast<char>(size >> 8) +
                             static_cast<char>(size & 0xFF) + content;
  const auto bytes = std::as_bytes(std::span(marker));
  file.insert(file.begin() + 2, bytes.begin(), bytes.end());
  return file;
}

TEST(Jpeg, is_turned_upright_as_xmp_or_several_markers_of_exif_say) {
  const Image image = smooth_image(40, 16, 3);
  const auto plain = make_jpeg({.image = image});
  const std::string xmp =
      std::string("http://ns.adobe.com/xap/1.0/\0", 29) + "<tiff:Orientation>6</tiff:Orientation>";
  EXPECT_EQ(decode_jpeg(with_metadata(plain, xmp), "a").width, 16);
  EXPECT_EQ(decode_jpeg(with_metadata(make_jpeg({.image = image, .exif = exif_block(1)}), xmp), "a")
                .width,
            40)
      << "EXIF comes first";
  const auto block = exif_block(6);
  const std::string exif(block.begin(), block.end()), prefix("Exif\0\0", 6);
  const auto halves =
      with_metadata(with_metadata(plain, prefix + exif.substr(20)), prefix + exif.substr(0, 20));
  EXPECT_EQ(decode_jpeg(halves, "a").width, 16);
}

TEST(Jpeg, kinds_that_are_not_read_are_not_called_broken) {
  const auto whole = make_jpeg({.image = smooth_image(20, 20, 3)});
  const auto text = std::string(reinterpret_cast<const char*>(whole.data()), whole.size());
  const std::size_t frame = text.find("\xff\xc0");  // marker, size, bits, height, width
  ASSERT_NE(frame, std::string::npos);
  const auto refusal = [&](std::size_t at, const std::string& bytes) {
    std::string other = text;
    other.replace(frame + at, bytes.size(), bytes);
    return message_of<UserError>([&] { decode_jpeg(std::as_bytes(std::span(other)), "a.jpg"); });
  };
  const std::string expected = "; expected a baseline or progressive one of 8 bits";
  EXPECT_EQ(refusal(1, "\xc5"), "a.jpg: a hierarchical JPEG" + expected);
  EXPECT_EQ(refusal(1, "\xf7"), "a.jpg: a JPEG-LS" + expected);
  EXPECT_EQ(refusal(5, std::string(2, '\0')),
            "a.jpg: a JPEG whose height comes after its pixels (DNL)" + expected);
  // Newer versions of libjpeg-turbo read some of these.
  EXPECT_THAT(refusal(1, "\xc3"), StartsWith("a.jpg"));
  EXPECT_THAT(refusal(4, "\x0c"), StartsWith("a.jpg"));
}

TEST(Jpeg, may_be_decoded_smaller_but_not_below_four_times_what_is_enough) {
  const auto file = make_jpeg({.image = smooth_image(640, 320, 3)});
  EXPECT_EQ(decode_jpeg(file, "a").height, 320);
  EXPECT_EQ(decode_jpeg(file, "a", 8).height, 40);
  EXPECT_EQ(decode_jpeg(file, "a", 10).height, 40);
  EXPECT_EQ(decode_jpeg(file, "a", 11).height, 80);
  EXPECT_EQ(decode_jpeg(file, "a", 32).height, 160);
  EXPECT_EQ(decode_jpeg(file, "a", 41).height, 320);
  EXPECT_LE(largest_difference(decode_jpeg(file, "a", 8), smooth_image(80, 40, 3)), 8);
}

TEST(Jpeg, every_truncation_is_refused) {
  for (const bool progressive : {false, true}) {
    const auto whole = make_jpeg({.image = smooth_image(20, 20, 3), .progressive = progressive});
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const auto cut = std::span(whole).first(size);
      EXPECT_THAT(message_of<UserError>([&] { decode_jpeg(cut, "a.jpg"); }),
                  StartsWith("a.jpg is not a whole JPEG: "))
          << size;
    }
  }
}

TEST(Jpeg, what_is_cut_off_after_its_pixels_is_read_and_told) {
  for (const bool progressive : {false, true}) {
    const auto whole = make_jpeg({.image = smooth_image(20, 20, 3), .progressive = progressive});
    const Image expected = decode_jpeg(whole, "a.jpg");
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const auto cut = std::span(whole).first(size);
      std::vector<std::string> warnings;
      const auto read = [&] { return decode_jpeg(cut, "a.jpg", 0, &warnings); };
      if (size + 2 < whole.size()) {
        EXPECT_EQ(message_of<UserError>(read),
                  "a.jpg is not a whole JPEG: it is damaged or cut off")
            << size;
        EXPECT_THAT(warnings, IsEmpty());
      } else {  // all but the end's marker
        EXPECT_EQ(read().pixels, expected.pixels);
        EXPECT_THAT(warnings, ElementsAre("a.jpg: it is cut off after its pixels"));
      }
    }
  }
}

TEST(Jpeg, damaged_bytes_never_crash) {
  for (const bool progressive : {false, true}) {
    const auto whole = make_jpeg(
        {.image = smooth_image(20, 20, 3), .progressive = progressive, .exif = exif_block(3)});
    for (std::size_t i = 0; i < whole.size(); ++i) {
      for (const std::byte damage : {std::byte{0}, std::byte{0x7F}, std::byte{0xFF}}) {
        auto damaged = whole;
        damaged[i] = damage;
        try {
          EXPECT_FALSE(decode_jpeg(damaged, "a.jpg").pixels.empty());
        } catch (const UserError& error) {
          EXPECT_THAT(error.what(), StartsWith("a.jpg"));
        }
      }
    }
  }
}

TEST(Jpeg, stray_bytes_before_a_marker_do_no_harm) {
  auto file = make_jpeg({.image = smooth_image(20, 20, 3)});
  const auto expected = decode_jpeg(file, "a");
  const std::size_t tables = find(file, {0xFF, 0xDB});
  file.insert(file.begin() + static_cast<std::ptrdiff_t>(tables), 3, std::byte{0x55});
  EXPECT_EQ(decode_jpeg(file, "a").pixels, expected.pixels);
}

TEST(Jpeg, size_is_bounded) {
  auto file = make_jpeg({.image = smooth_image(20, 20, 3)});
  const std::size_t frame = find(file, {0xFF, 0xC0});
  ASSERT_LT(frame, file.size());
  for (const std::size_t i : {5, 6, 7, 8}) file[frame + i] = std::byte{0xF0};
  EXPECT_THAT(message_of<UserError>([&] { decode_jpeg(file, "a.jpg"); }),
              AllOf(StartsWith("a.jpg"), HasSubstr("61680 x 61680")));
  for (const std::size_t i : {5, 6}) file[frame + i] = std::byte{0};
  EXPECT_THROW(decode_jpeg(file, "a.jpg"), UserError);
}

// Each of many scans costs a pass over the picture, though it has but a few bytes.
TEST(Jpeg, scans_are_bounded) {
  const jpeg_scan_info mean = {1, {0}, 0, 0, 0, 0};
  const jpeg_scan_info rest = {1, {0}, 1, 63, 0, 0};
  auto bomb = make_jpeg({.image = smooth_image(16, 16, 1), .scans = {mean, rest}});
  EXPECT_NO_THROW(decode_jpeg(bomb, "a.jpg"));
  const std::size_t last = find(bomb, {0xFF, 0xDA});
  const std::vector<std::byte> scans(bomb.begin() + static_cast<std::ptrdiff_t>(last),
                                     bomb.end() - 2);
  for (int i = 0; i < 60; ++i) bomb.insert(bomb.end() - 2, scans.begin(), scans.end());
  EXPECT_THAT(message_of<UserError>([&] { decode_jpeg(bomb, "a.jpg"); }),
              HasSubstr("too many scans"));
}

TEST(Jpeg, what_is_no_jpeg_is_named) {
  const std::string text = "just some text, long enough for a header";
  EXPECT_THAT(
      message_of<UserError>([&] { decode_jpeg(std::as_bytes(std::span(text)), "notes.jpg"); }),
      AllOf(StartsWith("notes.jpg"), HasSubstr("JPEG")));
}

}  // namespace
}  // namespace sparse_transformer
