#include "generation/attention_drawing.h"

#include <gtest/gtest.h>

#include <array>

namespace sparse_transformer {
namespace {

using Pixel = std::array<int, 3>;
constexpr Pixel kAttended{255, 190, 40};
constexpr Pixel kDark{24, 27, 34};
constexpr Pixel kLater{226, 228, 232};

/// How many pixels of the colour there are from this row on.
std::int64_t count(const Image& image, Pixel colour, std::int64_t top) {
  std::int64_t found = 0;
  for (std::int64_t y = top; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      const std::uint8_t* rgb = image.pixels.data() + (y * image.width + x) * 3;
      found += Pixel{rgb[0], rgb[1], rgb[2]} == colour ? 1 : 0;
    }
  }
  return found;
}

const SequenceLayout kStream{.length = 64, .axes = {8, 8}};
constexpr std::int64_t kDot = 32 * 32;  // 256 / 8 a side
constexpr std::int64_t kBelowTheLegend = 130;
constexpr double kRing = 300;  // what the query's ring may cover

AttentionMap map_of(std::int64_t position, const QueryWeights& query) {
  return {.layer = 0, .head = 0, .position = position, .pattern = "dense", .query = query};
}

Image draw(const AttentionMap& map, const SequenceLayout& layout) {
  return draw_attention({map}, {.layers = {0}, .heads = {0}, .positions = {map.position}}, layout,
                        std::vector<std::uint8_t>(static_cast<std::size_t>(layout.length), 255));
}

TEST(AttentionDrawing, WhatIsAttendedToIsBrightAndWhatComesLaterBlank) {
  const Image image =
      draw(map_of(35, {.keys = {3, 7, 11}, .weights = {0.4F, 0.4F, 0.2F}}), kStream);
  EXPECT_NEAR(count(image, kAttended, kBelowTheLegend), 2 * kDot, 80);
  EXPECT_NEAR(count(image, kDark, kBelowTheLegend), (36 - 3) * kDot, kRing);
  EXPECT_NEAR(count(image, kLater, kBelowTheLegend), (64 - 36) * kDot, kRing);
}

TEST(AttentionDrawing, AQueryWithoutKeysIsDrawnToo) {
  const Image image = draw(map_of(0, {}), kStream);
  EXPECT_EQ(count(image, kAttended, kBelowTheLegend), 0);
  EXPECT_NEAR(count(image, kLater, kBelowTheLegend), 63 * kDot, kRing);
}

TEST(AttentionDrawing, TheBytesOfAPixelAreAddedUp) {
  const SequenceLayout picture{.length = 192, .axes = {8, 8, 3}};
  // Pixel 2 gets 0.25 + 0.25 of its red and blue, pixel 5 as much of its green alone.
  const Image image =
      draw(map_of(100, {.keys = {6, 8, 16}, .weights = {0.25F, 0.25F, 0.5F}}), picture);
  EXPECT_NEAR(count(image, kAttended, 340), 2 * kDot, 80);
}

TEST(AttentionDrawing, HasAPanelForEachMapAndFitsLongSequences) {
  const SequenceLayout layout{.length = 1 << 20, .axes = {1024, 1024}};
  const AttentionChoice choice{.layers = {0, 1}, .heads = {0}, .positions = {5, 1 << 19}};
  std::vector<AttentionMap> maps;
  for (const std::int64_t layer : choice.layers) {
    for (const std::int64_t position : choice.positions) {
      maps.push_back(map_of(position, {.keys = {position}, .weights = {1.0F}}));
      maps.back().layer = layer;
    }
  }
  const std::vector<std::uint8_t> tokens(1 << 20, 0);
  const Image two = draw_attention(maps, choice, layout, tokens);
  maps.resize(1);
  const Image one =
      draw_attention(maps, {.layers = {0}, .heads = {0}, .positions = {5}}, layout, tokens);
  EXPECT_LT(one.width, two.width);
  EXPECT_LT(one.height, two.height);
  EXPECT_LT(two.width, 1200);
  EXPECT_LT(two.height, 1000);
}

}  // namespace
}  // namespace sparse_transformer
