#include "files/usual_png.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <random>
#include <stdexcept>
#include <vector>

#include "config/errors.h"
#include "files/png.h"

namespace sparse_transformer {
namespace {

using Bytes = std::vector<std::byte>;

void append(png_structp png, png_bytep bytes, std::size_t count) {
  auto* file = static_cast<Bytes*>(png_get_io_ptr(png));
  const auto* begin = reinterpret_cast<const std::byte*>(bytes);
  file->insert(file->end(), begin, begin + count);
}

struct Kind {
  int depth = 8, colour = PNG_COLOR_TYPE_RGB, interlacing = PNG_INTERLACE_NONE;
  int filters = PNG_ALL_FILTERS;
  std::size_t chunk = 8192;  // bytes an IDAT
  bool has_transparency = false;
};

/// A PNG of random lines, as libpng writes it.
Bytes written(const Kind& kind, std::int64_t width, std::int64_t height, Bytes& pixels) {
  Bytes file;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &file, append, nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height),
               kind.depth, kind.colour, kind.interlacing, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_set_filter(png, PNG_FILTER_TYPE_BASE, kind.filters);
  png_set_compression_buffer_size(png, kind.chunk);
  const std::vector<png_color> palette(256);
  if (kind.colour == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette.data(), 256);
  const png_color_16 white = {.index = 0, .red = 255, .green = 255, .blue = 255, .gray = 255};
  if (kind.has_transparency) png_set_tRNS(png, info, nullptr, 0, &white);
  png_write_info(png, info);
  std::mt19937 random(5);
  const auto line = png_get_rowbytes(png, info);
  pixels.resize(line * static_cast<std::size_t>(height));
  for (std::byte& byte : pixels) byte = static_cast<std::byte>(random());
  std::vector<png_bytep> rows;
  for (std::int64_t y = 0; y < height; ++y) {
    rows.push_back(reinterpret_cast<png_bytep>(pixels.data()) + static_cast<std::size_t>(y) * line);
  }
  png_write_image(png, rows.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return file;
}

TEST(UsualPng, EveryFilterGreyAndColourAnySize) {
  for (const int filters : {PNG_FILTER_NONE, PNG_FILTER_SUB, PNG_FILTER_UP, PNG_FILTER_AVG,
                            PNG_FILTER_PAETH, PNG_ALL_FILTERS}) {
    for (const int colour : {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_RGB}) {
      for (const auto& [width, height] :
           std::vector<std::pair<int, int>>{{1, 1}, {1, 9}, {9, 1}, {40, 33}}) {
        Bytes pixels;
        const Bytes file =
            written({.colour = colour, .filters = filters, .chunk = 100}, width, height, pixels);
        const auto image = decode_usual_png(file, "a.png");
        ASSERT_TRUE(image) << filters << ' ' << colour << ' ' << width << " x " << height;
        EXPECT_EQ(image->width, width);
        EXPECT_EQ(image->height, height);
        EXPECT_EQ(image->channels, colour == PNG_COLOR_TYPE_RGB ? 3 : 1);
        const auto found = std::as_bytes(std::span(image->pixels));
        EXPECT_TRUE(std::equal(found.begin(), found.end(), pixels.begin(), pixels.end()))
            << filters << ' ' << colour << ' ' << width << " x " << height;
      }
    }
  }
}

TEST(UsualPng, OtherKindsAreLeftToLibpng) {
  for (const Kind& kind :
       {Kind{.depth = 16}, Kind{.colour = PNG_COLOR_TYPE_RGBA},
        Kind{.colour = PNG_COLOR_TYPE_GRAY_ALPHA}, Kind{.colour = PNG_COLOR_TYPE_PALETTE},
        Kind{.depth = 4, .colour = PNG_COLOR_TYPE_GRAY}, Kind{.interlacing = PNG_INTERLACE_ADAM7},
        Kind{.has_transparency = true}}) {
    Bytes pixels;
    const Bytes file = written(kind, 9, 5, pixels);
    EXPECT_FALSE(decode_usual_png(file, "a.png"));
    EXPECT_EQ(decode_png(file, "a.png").width, 9);
  }
}

TEST(UsualPng, DamagedOnesAreLeftToLibpng) {
  Bytes pixels;
  const Bytes file = written({}, 9, 5, pixels);
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(decode_usual_png(std::span(file).first(size), "a.png")) << size;
  }
  constexpr std::size_t kSignature = 8;  // which the caller has seen
  for (std::size_t i = kSignature; i < file.size(); ++i) {
    Bytes damaged = file;
    damaged[i] ^= std::byte{1};
    EXPECT_FALSE(decode_usual_png(damaged, "a.png")) << i;
  }
}

TEST(UsualPng, WhatFollowsTheEndIsNotRead) {
  Bytes pixels;
  Bytes file = written({}, 9, 5, pixels);
  file.resize(file.size() + 100);
  EXPECT_TRUE(decode_usual_png(file, "a.png"));
}

}  // namespace
}  // namespace sparse_transformer
