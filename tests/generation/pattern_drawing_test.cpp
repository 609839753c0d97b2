#include "generation/pattern_drawing.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

using Pixel = std::array<std::uint8_t, 3>;
constexpr Pixel kQuery{12, 44, 104};
constexpr Pixel kKey{84, 158, 232};
constexpr Pixel kLater{226, 228, 232};

std::map<Pixel, std::int64_t> pixel_counts(const Image& image) {
  std::map<Pixel, std::int64_t> counts;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    ++counts[{image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]}];
  }
  return counts;
}

PatternCounts counts_of(std::int64_t length, std::int64_t stride, const WordLists& layers) {
  AttentionSettings settings;
  settings.stride = stride;
  settings.layers = layers;
  settings.summary = 1;
  return count_patterns(layer_patterns(settings, 4, 2, length), length);
}

const SequenceLayout kStream{.length = 36, .axes = {6, 6}};

TEST(PatternDrawing, DotsAreThePairs) {
  const Image image = draw_pattern(counts_of(36, 6, {{"dense"}}), kStream, {.layer = 0});
  const auto counts = pixel_counts(image);
  // The matrix: 36 x 36 dots of 16 pixels, framed; the grid: 6 x 6 of 48, with thin lines between.
  constexpr double kDot = 16 * 16;
  constexpr double kCell = 48 * 48;
  EXPECT_NEAR(static_cast<double>(counts.at(kKey)), 36 * 35 / 2 * kDot + 21 * kCell, 6000);
  EXPECT_NEAR(static_cast<double>(counts.at(kQuery)), 36 * kDot + kCell, 600);
  EXPECT_NEAR(static_cast<double>(counts.at(kLater)), 36 * 35 / 2 * kDot + 14 * kCell, 6000);
}

TEST(PatternDrawing, EachHeadGroupHasAPanel) {
  const PatternCounts two = counts_of(36, 6, {{"local"}, {"column", "row"}});
  const Image all = draw_pattern(two, kStream, {});
  const Image local = draw_pattern(two, kStream, {.layer = 0});
  const Image groups = draw_pattern(two, kStream, {.layer = 3});
  EXPECT_GT(all.width, groups.width);
  EXPECT_GT(groups.width, local.width);
  EXPECT_EQ(all.height, local.height);
}

TEST(PatternDrawing, ThePositionCanBeChosen) {
  const PatternCounts counts = counts_of(36, 6, {{"dense"}});
  const Image first = draw_pattern(counts, kStream, {.position = 0});
  const Image last = draw_pattern(counts, kStream, {.position = 35});
  EXPECT_GT(pixel_counts(last).at(kKey), pixel_counts(first).at(kKey));
}

TEST(PatternDrawing, LongSequencesAndPicturesFit) {
  const WordLists layers = {{"local"}, {"column"}};
  const SequenceLayout stream{.length = 1 << 18, .axes = {512, 512}};
  const SequenceLayout narrow{.length = 1 << 18, .axes = {1 << 16, 4}};
  const SequenceLayout picture{.length = 3072, .axes = {32, 32, 3}};
  for (const Image& image : {draw_pattern(counts_of(1 << 18, 512, layers), stream, {}),
                             draw_pattern(counts_of(1 << 18, 4, layers), narrow, {}),
                             draw_pattern(counts_of(3072, 96, layers), picture, {})}) {
    EXPECT_LE(image.width, 1600);
    EXPECT_LE(image.height, 1700);
  }
}

TEST(PatternDrawing, WhatTheModelDoesNotHaveIsRefused) {
  const PatternCounts counts = counts_of(36, 6, {{"local"}, {"column"}});
  EXPECT_THROW(draw_pattern(counts, kStream, {.layer = 4}), UserError);
  EXPECT_THROW(draw_pattern(counts, kStream, {.layer = -1}), UserError);
  EXPECT_THROW(draw_pattern(counts, kStream, {.position = 36}), UserError);
  EXPECT_THROW(draw_pattern(counts, kStream, {.position = -1}), UserError);
}

}  // namespace
}  // namespace sparse_transformer
