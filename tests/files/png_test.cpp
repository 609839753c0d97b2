#include "files/png.h"

#include <gmock/gmock.h>
#include <png.h>

#include <boost/crc.hpp>
#include <stdexcept>
#include <string>
#include <vector>

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

using Text = std::map<std::string, std::string>;

Image ramp(std::int64_t width, std::int64_t height, std::int64_t channels) {
  Image image{width, height, channels, {}};
  for (std::int64_t i = 0; i < width * height * channels; ++i) {
    image.pixels.push_back(static_cast<std::uint8_t>(7 * i + 3));
  }
  return image;
}

/// A PNG of kinds that encode_png does not make, written with libpng's simplified interface.
std::vector<std::byte> foreign_png(png_uint_32 format, png_uint_32 width, png_uint_32 height,
                                   const void* pixels, const void* colours = nullptr) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = width;
  image.height = height;
  image.format = format;
  image.colormap_entries = 2;
  std::vector<std::byte> file(100'000);
  png_alloc_size_t size = file.size();
  if (png_image_write_to_memory(&image, file.data(), &size, 0, pixels, 0, colours) == 0) {
    throw std::runtime_error(image.message);
  }
  file.resize(size);
  return file;
}

/// Corrects the checksum behind a chunk's type and data, which were changed.
void seal_chunk(std::vector<std::byte>& file, std::size_t begin, std::size_t length) {
  boost::crc_32_type crc;
  crc.process_bytes(file.data() + begin, length);
  for (std::size_t i = 0; i < 4; ++i) {
    file[begin + length + i] = static_cast<std::byte>(crc.checksum() >> (24 - 8 * i));
  }
}

TEST(Png, reads_back_what_was_written) {
  for (const std::int64_t channels : {1, 3}) {
    const Image image = ramp(5, 3, channels);
    const Image read = decode_png(encode_png(image, {}), "a.png");
    EXPECT_EQ(read.width, 5);
    EXPECT_EQ(read.height, 3);
    EXPECT_EQ(read.channels, channels);
    EXPECT_EQ(read.pixels, image.pixels);
  }
}

TEST(Png, another_reader_sees_the_same_pixels) {
  const Image image = ramp(5, 3, 3);
  const std::vector<std::byte> file = encode_png(image, {});
  png_image other{};
  other.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_memory(&other, file.data(), file.size()), 0);
  EXPECT_EQ(other.format, PNG_FORMAT_RGB);
  std::vector<std::uint8_t> pixels(PNG_IMAGE_SIZE(other));
  ASSERT_NE(png_image_finish_read(&other, nullptr, pixels.data(), 0, nullptr), 0);
  EXPECT_EQ(pixels, image.pixels);
}

TEST(Png, text_comes_back_in_utf8) {
  const Text text{{"Software", "sparse-transformer"},
                  {"parameters", "Seed: 7\nPrompt: größer ✓"},
                  {"long", std::string(100'000, 'x')}};
  EXPECT_EQ(read_png_text(encode_png(ramp(2, 2, 1), text), "a.png"), text);
}

TEST(Png, text_in_latin_1_is_converted) {
  std::vector<std::byte> file = encode_png(ramp(1, 1, 1), {{"Title", "xyz"}});
  const std::string_view view(reinterpret_cast<const char*>(file.data()), file.size());
  const std::size_t at = view.find("xyz");
  ASSERT_NE(at, std::string_view::npos);
  file[at] = std::byte{0xE4};  // ä
  seal_chunk(file, at - std::string_view("tEXtTitle").size() - 1, 13);
  EXPECT_EQ(read_png_text(file, "a.png"), (Text{{"Title", "äyz"}}));
}

TEST(Png, same_image_gives_same_bytes) {
  EXPECT_EQ(encode_png(ramp(9, 9, 3), {{"k", "v"}}), encode_png(ramp(9, 9, 3), {{"k", "v"}}));
}

TEST(Png, transparency_is_laid_on_white) {
  const std::vector<std::uint8_t> rgba{10, 20, 30, 0, 40, 50, 60, 128, 70, 80, 90, 255};
  const Image image = decode_png(foreign_png(PNG_FORMAT_RGBA, 3, 1, rgba.data()), "a.png");
  EXPECT_EQ(image.channels, 3);
  EXPECT_THAT(image.pixels, ElementsAre(255, 255, 255, 147, 152, 157, 70, 80, 90));
  const std::vector<std::uint8_t> grey_alpha{10, 0, 20, 255};
  const Image grey = decode_png(foreign_png(PNG_FORMAT_GA, 2, 1, grey_alpha.data()), "a.png");
  EXPECT_EQ(grey.channels, 1);
  EXPECT_THAT(grey.pixels, ElementsAre(255, 20));
  // 16 bits: 0x8000 at half transparency, then opaque.
  const Image deep = decode_png(make_png({.colours = PNG_COLOR_TYPE_GRAY_ALPHA,
                                          .bits = 16,
                                          .width = 2,
                                          .rows = {{0x80, 0, 0x80, 0, 0x40, 0x40, 0xFF, 0xFF}}}),
                                "a.png");
  EXPECT_THAT(deep.pixels, ElementsAre(191, 64));
}

TEST(Png, one_transparent_colour_is_laid_on_white) {
  png_color_16 key{};
  key.gray = 1;
  EXPECT_THAT(
      decode_png(make_png({.bits = 2, .width = 4, .rows = {{0b00011011}}, .transparent = key}),
                 "a.png")
          .pixels,
      ElementsAre(0, 255, 170, 255));
  key = {.index = 0, .red = 9, .green = 8, .blue = 7, .gray = 0};
  EXPECT_THAT(decode_png(make_png({.colours = PNG_COLOR_TYPE_RGB,
                                   .width = 2,
                                   .rows = {{9, 8, 7, 9, 8, 6}},
                                   .transparent = key}),
                         "a.png")
                  .pixels,
              ElementsAre(255, 255, 255, 9, 8, 6));
}

TEST(Png, palette_is_looked_up) {
  const std::vector<std::uint8_t> colours{1, 2, 3, 200, 100, 50};
  const std::vector<std::uint8_t> indices{1, 0, 1};
  const Image image = decode_png(
      foreign_png(PNG_FORMAT_RGB_COLORMAP, 3, 1, indices.data(), colours.data()), "a.png");
  EXPECT_EQ(image.channels, 3);
  EXPECT_THAT(image.pixels, ElementsAre(200, 100, 50, 1, 2, 3, 200, 100, 50));
}

TEST(Png, palettes_of_every_depth) {
  const std::vector<png_color> palette = {{10, 20, 30}, {40, 50, 60}};
  for (const int bits : {1, 2, 4, 8}) {
    const auto second = static_cast<std::uint8_t>(1 << (8 - bits));  // at the left end of a byte
    const Image image = decode_png(make_png({.colours = PNG_COLOR_TYPE_PALETTE,
                                             .bits = bits,
                                             .height = 2,
                                             .rows = {{0}, {second}},
                                             .palette = palette,
                                             .palette_alpha = {0}}),
                                   "a.png");
    EXPECT_THAT(image.pixels, ElementsAre(255, 255, 255, 40, 50, 60)) << bits;
  }
}

TEST(Png, greys_of_every_depth) {
  for (const int bits : {1, 2, 4, 8}) {
    const auto top = static_cast<std::uint8_t>(0xFF << (8 - bits));
    EXPECT_THAT(
        decode_png(make_png({.bits = bits, .height = 2, .rows = {{0}, {top}}}), "a.png").pixels,
        ElementsAre(0, 255))
        << bits;
  }
  EXPECT_THAT(decode_png(make_png({.bits = 4, .width = 2, .rows = {{0x5A}}}), "a.png").pixels,
              ElementsAre(85, 170));
}

TEST(Png, sixteen_bits_are_rounded_to_eight) {
  // 128.498, 128.502 and 254.009 of 255.
  const auto rows = std::vector<std::vector<std::uint8_t>>{
      {0, 0, 0x81, 0x00, 0x81, 0x01, 0xFF, 0x00, 0xFF, 0xFF}};
  EXPECT_THAT(decode_png(make_png({.bits = 16, .width = 5, .rows = rows}), "a.png").pixels,
              ElementsAre(0, 128, 129, 254, 255));
}

TEST(Png, gamma_is_not_heeded) {
  EXPECT_THAT(decode_png(make_png({.colours = PNG_COLOR_TYPE_GRAY_ALPHA,
                                   .width = 2,
                                   .rows = {{100, 255, 100, 128}},
                                   .gamma = 1 / 2.2}),
                         "a.png")
                  .pixels,
              ElementsAre(100, 177));
}

TEST(Png, interlaced_pictures_are_read) {
  const Image image = ramp(13, 11, 3);
  std::vector<std::vector<std::uint8_t>> rows;
  for (auto row = image.pixels.begin(); row != image.pixels.end(); row += 39) {
    rows.emplace_back(row, row + 39);
  }
  const auto file = make_png(
      {.colours = PNG_COLOR_TYPE_RGB, .interlaced = true, .width = 13, .height = 11, .rows = rows});
  EXPECT_EQ(decode_png(file, "a.png").pixels, image.pixels);
}

TEST(Png, is_turned_upright) {
  const Image image =
      decode_png(make_png({.width = 3, .rows = {{1, 2, 3}}, .exif = exif_block(8)}), "a.png");
  EXPECT_EQ(image.width, 1);
  EXPECT_EQ(image.height, 3);
  EXPECT_THAT(image.pixels, ElementsAre(3, 2, 1));
}

TEST(Png, is_turned_upright_as_its_text_says) {
  const Image image{3, 1, 1, {1, 2, 3}};
  const std::string xmp = "<rdf:Description tiff:Orientation=\"8\"/>";
  for (const auto& [key, value] :
       {std::pair<std::string, std::string>("Raw profile type exif", exif_profile(8)),
        {"Raw profile type APP1", exif_profile(8)},
        {"XML:com.adobe.xmp", xmp},
        {"XML:com.adobe.xmp", xmp + "ä"}}) {
    EXPECT_THAT(decode_png(encode_png(image, {{key, value}}), "a.png").pixels, ElementsAre(3, 2, 1))
        << key;
    const auto compressed = make_png(
        {.width = 3, .rows = {{1, 2, 3}}, .compressed_key = key, .compressed_text = value});
    EXPECT_THAT(decode_png(compressed, "a.png").pixels, ElementsAre(3, 2, 1)) << key;
  }
  EXPECT_EQ(decode_png(encode_png(image, {{"Comment", xmp}}), "a.png").width, 3);
  const auto both = make_png({.width = 3,
                              .rows = {{1, 2, 3}},
                              .exif = exif_block(1),
                              .compressed_key = "XML:com.adobe.xmp",
                              .compressed_text = xmp});
  EXPECT_THAT(decode_png(both, "a.png").pixels, ElementsAre(1, 2, 3)) << "EXIF comes first";
}

TEST(Png, a_kind_that_is_not_the_standards_is_not_called_broken) {
  std::vector<std::byte> file = encode_png(ramp(8, 8, 3), {});
  // Apple's: before IHDR, with a checksum
  const std::string chunk("\0\0\0\4CgBI\x50\0\x20\x02\x2b\xd5\xb3\x7f", 16);
  const auto bytes = std::as_bytes(std::span(chunk));
  file.insert(file.begin() + 8, bytes.begin(), bytes.end());
  EXPECT_THAT(message_of<UserError>([&] { decode_png(file, "a.png"); }),
              StartsWith("a.png: a PNG of another kind than the standard's: CgBI"));
}

TEST(Png, a_picture_that_is_too_wide_is_not_called_broken) {
  const std::vector<std::vector<std::uint8_t>> rows = {std::vector<std::uint8_t>(250'001, 0)};
  const auto file = make_png({.bits = 1, .width = 2'000'008, .rows = rows});
  EXPECT_THAT(message_of<UserError>([&] { decode_png(file, "a.png"); }),
              StartsWith("a.png: a picture of 2000008 x 1 pixels"));
}

TEST(Png, every_truncation_is_refused) {
  const std::vector<std::byte> whole = encode_png(ramp(8, 8, 3), {{"k", "v"}, {"u", "ä"}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = std::span(whole).first(size);
    EXPECT_THAT(message_of<UserError>([&] { decode_png(cut, "a.png"); }), StartsWith("a.png"))
        << size;
    EXPECT_THROW(read_png_text(cut, "a.png"), UserError);
  }
}

TEST(Png, what_is_cut_off_after_its_pixels_is_read_and_told) {
  const Image image = ramp(8, 8, 3);
  std::vector<std::byte> whole = encode_png(image, {});
  const std::size_t end = whole.size() - 12;  // of the pixels; IEND follows
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<std::string> warnings;
    const auto read = [&] { return decode_png(std::span(whole).first(size), "a.png", &warnings); };
    if (size < end) {
      EXPECT_EQ(message_of<UserError>(read), "a.png is not a whole PNG: it is cut off") << size;
      EXPECT_THAT(warnings, IsEmpty());
    } else {
      EXPECT_EQ(read().pixels, image.pixels) << size;
      EXPECT_THAT(warnings, ElementsAre("a.png: it is cut off after its pixels"));
    }
  }
  // Of interlaced pixels, too, some may be missing.
  const std::vector<std::vector<std::uint8_t>> rows(8, std::vector<std::uint8_t>(8, 7));
  const auto laced = make_png({.interlaced = true, .width = 8, .height = 8, .rows = rows});
  std::vector<std::string> warnings;
  EXPECT_EQ(decode_png(std::span(laced).first(laced.size() - 12), "a.png", &warnings).pixels,
            std::vector<std::uint8_t>(64, 7));
}

TEST(Png, faults_are_named_in_words_of_our_own) {
  std::vector<std::byte> file = encode_png(ramp(8, 8, 3), {});
  const auto refusal = [&] { return message_of<UserError>([&] { decode_png(file, "a.png"); }); };
  const std::size_t sum = 8 + 8 + 13;  // of IHDR
  file[sum] ^= std::byte{1};
  EXPECT_EQ(refusal(), "a.png is not a whole PNG: its chunk IHDR has a wrong checksum");
  file[sum] ^= std::byte{1};
  file[8 + 8 + 8] = std::byte{3};  // bits
  seal_chunk(file, 12, 17);
  EXPECT_EQ(refusal(), "a.png is not a whole PNG: its chunk IHDR is damaged");
}

TEST(Png, damaged_bytes_never_crash) {
  const std::vector<std::byte> whole = encode_png(ramp(8, 8, 3), {{"k", "v"}, {"u", "ä"}});
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const std::byte damage : {std::byte{0}, std::byte{0x7F}, std::byte{0xFF}}) {
      std::vector<std::byte> damaged = whole;
      damaged[i] = damage;
      try {
        EXPECT_FALSE(decode_png(damaged, "a.png").pixels.empty());
      } catch (const UserError& error) {
        EXPECT_THAT(error.what(), StartsWith("a.png"));
      }
    }
  }
}

TEST(Png, what_is_no_png_is_named) {
  const std::string text = "just some text, long enough for a header";
  EXPECT_THAT(
      message_of<UserError>([&] { decode_png(std::as_bytes(std::span(text)), "notes.png"); }),
      AllOf(StartsWith("notes.png"), HasSubstr("PNG")));
}

// A header that promises 100000 x 100000 pixels, as a decompression bomb does.
TEST(Png, size_is_bounded) {
  std::vector<std::byte> file = encode_png(ramp(1, 1, 3), {});
  for (const std::size_t at : {16, 20}) {
    for (std::size_t i = 0; i < 4; ++i) file[at + i] = std::byte(100'000U >> (24 - 8 * i));
  }
  seal_chunk(file, 12, 17);
  EXPECT_THAT(message_of<UserError>([&] { decode_png(file, "a.png"); }),
              HasSubstr("100000 x 100000"));
}

TEST(Png, impossible_images_are_the_programmers_error) {
  EXPECT_THROW(encode_png({2, 2, 3, std::vector<std::uint8_t>(11)}, {}), std::logic_error);
  EXPECT_THROW(encode_png({2, 2, 4, std::vector<std::uint8_t>(16)}, {}), std::logic_error);
  EXPECT_THROW(encode_png({0, 0, 3, {}}, {}), std::logic_error);
  EXPECT_THROW(encode_png(ramp(1, 1, 1), {{"", "empty key"}}), std::logic_error);
}

}  // namespace
}  // namespace sparse_transformer
