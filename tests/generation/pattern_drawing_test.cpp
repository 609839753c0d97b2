#include "generation/pattern_drawing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

using Pixel = std::array<std::uint8_t, 3>;
constexpr Pixel kQuery{8, 24, 64};
constexpr Pixel kDark{30, 92, 184};
constexpr Pixel kLight{104, 176, 240};
constexpr Pixel kEarlier{255, 255, 255};
constexpr Pixel kLater{226, 228, 232};

Pixel pixel_at(const Image& image, std::int64_t x, std::int64_t y) {
  const auto i = static_cast<std::size_t>(3 * (y * image.width + x));
  return {image.pixels.at(i), image.pixels.at(i + 1), image.pixels.at(i + 2)};
}

int brightness(const Pixel& pixel) { return std::accumulate(pixel.begin(), pixel.end(), 0); }

/// A table's cells: the colour in the middle of each, row by row.
using Cells = std::vector<std::vector<Pixel>>;

Cells read_cells(const Image& image, std::int64_t left, std::int64_t top, std::int64_t size,
                 std::int64_t rows, std::int64_t columns) {
  Cells cells(static_cast<std::size_t>(rows));
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      cells[static_cast<std::size_t>(row)].push_back(
          pixel_at(image, left + column * size + size / 2, top + row * size + size / 2));
    }
  }
  return cells;
}

/// The last pixel with the colour of queries among those right of `left` and above `bottom`.
std::array<std::int64_t, 2> last_query(const Image& image, std::int64_t left, std::int64_t bottom) {
  for (std::int64_t y = bottom - 1; y > 0; --y) {
    for (std::int64_t x = image.width - 1; x >= left; --x) {
      if (pixel_at(image, x, y) == kQuery) return {x, y};
    }
  }
  ADD_FAILURE() << "no query";
  return {};
}

/// The tables of a drawing of `side` rows of `side` positions, for the default position. They are
/// found by their queries, which end a pixel before their cells: there is a line.
struct Tables {
  Tables(const Image& image, std::int64_t side) {
    const std::int64_t length = side * side;
    const std::int64_t dot = 576 / length;
    const auto corner = last_query(image, 0, image.height);
    const std::int64_t left = corner[0] + 2 - length * dot;
    const std::int64_t top = corner[1] + 2 - length * dot;
    matrix = read_cells(image, left, top, dot, length, length);
    constexpr std::int64_t kCell = 48;
    const std::int64_t rows = side * 5 / 8 + 1;  // up to the query's
    grid = read_cells(image, left, last_query(image, left, top)[1] + 2 - rows * kCell, kCell, side,
                      side);
  }

  Cells grid, matrix;
};

/// The colours of keys, from the darkest to the palest.
std::vector<Pixel> shades(const Cells& cells) {
  std::set<Pixel> found;
  for (const auto& row : cells) found.insert(row.begin(), row.end());
  for (const Pixel& other : {kQuery, kEarlier, kLater}) found.erase(other);
  std::vector<Pixel> sorted(found.begin(), found.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const Pixel& a, const Pixel& b) { return brightness(a) < brightness(b); });
  return sorted;
}

using Lines = std::vector<std::string>;

/// A letter a cell: q the query, a the darkest shade of keys, b the next …, '.' earlier, '-' later.
Lines letters(const Cells& cells) {
  std::map<Pixel, char> names = {{kQuery, 'q'}, {kEarlier, '.'}, {kLater, '-'}};
  char next = 'a';
  for (const Pixel& shade : shades(cells)) names[shade] = next++;
  Lines lines;
  for (const auto& row : cells) {
    lines.emplace_back();
    for (const Pixel& cell : row) lines.back() += names.at(cell);
  }
  return lines;
}

std::map<char, int> letter_counts(const Lines& lines) {
  std::map<char, int> counts;
  for (const std::string& line : lines) {
    for (const char letter : line) ++counts[letter];
  }
  return counts;
}

/// The lines of a matrix of n positions that has letter(t, j) for each key j before query t.
template <typename Letter>
Lines matrix_lines(std::int64_t n, const Letter& letter) {
  Lines lines;
  for (std::int64_t t = 0; t < n; ++t) {
    lines.emplace_back();
    for (std::int64_t j = 0; j < n; ++j) {
      lines.back() += j > t ? '-' : j == t ? 'q' : letter(t, j);
    }
  }
  return lines;
}

std::map<Pixel, std::int64_t> pixel_counts(const Image& image) {
  std::map<Pixel, std::int64_t> counts;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    ++counts[{image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]}];
  }
  return counts;
}

/// 4 layers of 2 heads; summary is one column, the same for both heads.
PatternCounts counts_of(std::int64_t length, std::int64_t stride, const WordLists& layers) {
  AttentionSettings settings;
  settings.stride = stride;
  settings.layers = layers;
  settings.summary = 1;
  settings.summary_blocks = 1;
  return count_patterns(layer_patterns(settings, 4, 2, length), length);
}

const SequenceLayout kStream{.length = 36, .axes = {6, 6}};

Tables tables_of(const WordLists& layers, const DrawingChoice& choice = {}) {
  return {draw_pattern(counts_of(36, 6, layers), kStream, choice), 6};
}

TEST(PatternDrawing, DenseHasAllPairsInOneShade) {
  const Tables tables = tables_of({{"dense"}});
  EXPECT_EQ(shades(tables.matrix), std::vector{kDark});
  EXPECT_EQ(letters(tables.matrix),
            matrix_lines(36, [](std::int64_t, std::int64_t) { return 'a'; }));
  EXPECT_EQ(letters(tables.grid),
            (Lines{"aaaaaa", "aaaaaa", "aaaaaa", "aaaq--", "------", "------"}));
}

// Figure 3 (b): the last l positions, and those of the same column.
TEST(PatternDrawing, StridedIsDrawnInTwoShadesAsInThePaper) {
  const Tables tables = tables_of({{"strided"}});
  EXPECT_EQ(shades(tables.grid), (std::vector{kDark, kLight}));
  EXPECT_EQ(shades(tables.matrix), (std::vector{kDark, kLight}));
  EXPECT_EQ(letters(tables.grid),
            (Lines{"...b..", "...b..", "...baa", "aaaq--", "------", "------"}));
  const Lines matrix = letters(tables.matrix);
  EXPECT_EQ(matrix, matrix_lines(36, [](std::int64_t t, std::int64_t j) {
              return t - j < 6 ? 'a' : (t - j) % 6 == 0 ? 'b' : '.';
            }));
  // Before itself a position has 5 of its last 6, the first ones 0 to 5; and one in each row
  // before.
  EXPECT_EQ(
      letter_counts(matrix),
      (std::map<char, int>{{'q', 36}, {'a', 15 + 30 * 5}, {'b', 6 * 15}, {'.', 375}, {'-', 630}}));
}

// Figure 3 (c): the row up to itself, and the last column of every earlier row.
TEST(PatternDrawing, FixedIsDrawnInTwoShadesAsInThePaper) {
  const Tables tables = tables_of({{"fixed"}});
  EXPECT_EQ(shades(tables.grid), (std::vector{kDark, kLight}));
  EXPECT_EQ(shades(tables.matrix), (std::vector{kDark, kLight}));
  EXPECT_EQ(letters(tables.grid),
            (Lines{".....b", ".....b", ".....b", "aaaq--", "------", "------"}));
  const Lines matrix = letters(tables.matrix);
  EXPECT_EQ(matrix, matrix_lines(36, [](std::int64_t t, std::int64_t j) {
              return t / 6 == j / 6 ? 'a' : j % 6 == 5 ? 'b' : '.';
            }));
  EXPECT_EQ(letter_counts(matrix),
            (std::map<char, int>{{'q', 36}, {'a', 6 * 15}, {'b', 6 * 15}, {'.', 450}, {'-', 630}}));
}

TEST(PatternDrawing, FewerPairsAreOnTop) {
  const auto column = [](std::int64_t t, std::int64_t j) { return (t - j) % 6 == 0; };
  EXPECT_EQ(letters(tables_of({{"dense"}, {"column"}}).matrix),
            matrix_lines(36, [&](auto t, auto j) { return column(t, j) ? 'b' : 'a'; }));
  EXPECT_EQ(letters(tables_of({{"column"}, {"dense"}}).matrix),
            matrix_lines(36, [&](auto t, auto j) { return column(t, j) ? 'a' : 'b'; }));
}

TEST(PatternDrawing, ANameHasOneShadeInAllLayersAndHeads) {
  const Tables fixed = tables_of({{"fixed"}});
  EXPECT_EQ(tables_of({{"row"}, {"row+summary"}}).matrix, fixed.matrix);
  EXPECT_EQ(tables_of({{"row", "summary"}, {"summary", "row"}}).matrix, fixed.matrix);
  EXPECT_EQ(tables_of({{"row", "summary"}, {"summary", "row"}}).grid, fixed.grid);
}

TEST(PatternDrawing, ALayerIsDrawnAlone) {
  const WordLists layers = {{"local"}, {"column", "row"}, {"local"}, {"summary"}};
  EXPECT_EQ(shades(tables_of(layers).matrix).size(), 4U);
  EXPECT_EQ(tables_of(layers, {.layer = 0}).matrix, tables_of({{"local"}}).matrix);
  EXPECT_EQ(tables_of(layers, {.layer = 1}).matrix, tables_of({{"column", "row"}}).matrix);
}

/// 4 heads over 8 rows of 8 positions, of which a summary has two columns.
Tables summaries(const WordLists& layers, std::int64_t blocks) {
  AttentionSettings settings;
  settings.stride = 8;
  settings.layers = layers;
  settings.summary = 2;
  settings.summary_blocks = blocks;
  return {draw_pattern(count_patterns(layer_patterns(settings, 1, 4, 64), 64),
                       {.length = 64, .axes = {8, 8}}, {}),
          8};
}

TEST(PatternDrawing, SubBlocksOfAllHeadsAreShownInTints) {
  const Tables four = summaries({{"fixed"}}, 4);
  const Lines grid = {"eeddccbb", "eeddccbb", "eeddccbb", "eeddccbb",
                      "eeddccbb", "aaaaaq--", "--------", "--------"};
  EXPECT_EQ(letters(four.grid), grid);
  EXPECT_EQ(shades(four.grid)[1], kLight);
  EXPECT_EQ(letters(four.matrix), matrix_lines(64, [](std::int64_t t, std::int64_t j) {
              return t / 8 == j / 8 ? 'a' : static_cast<char>('e' - j % 8 / 2);
            }));
  const Tables two = summaries({{"fixed"}}, 2);
  EXPECT_EQ(letters(two.grid)[0], "....ccbb");
}

// Heads 0 and 1 are another group than heads 2 and 3. The first two may hide the others, but the
// palest tint is as pale for two as for four.
TEST(PatternDrawing, HeadsWithTheSameKeysHaveOneTint) {
  const auto drawn = [](std::int64_t blocks) {
    return shades(summaries({{"summary", "row+summary"}}, blocks).matrix);
  };
  EXPECT_EQ(drawn(1), (std::vector{kDark, kLight}));
  EXPECT_EQ(drawn(2).size(), 3U);
  EXPECT_EQ(drawn(4).size(), 5U);
  EXPECT_EQ(drawn(2).back(), drawn(4).back());
}

TEST(PatternDrawing, UpToSixShadesAreFarFromEachOther) {
  const WordLists all = {{"local"}, {"column"}, {"summary"}, {"row"}, {"start"}, {"dense"}};
  for (std::size_t count = 2; count <= all.size(); ++count) {
    const WordLists some(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
    AttentionSettings settings;
    settings.stride = 6;
    settings.layers = some;
    settings.define = {{"start", Definition{.kind = SinkPattern{.tokens = 2}}}};
    settings.summary = 1;
    settings.summary_blocks = 1;
    const PatternCounts counts = count_patterns(layer_patterns(settings, 6, 2, 36), 36);
    std::vector<Pixel> colours = shades(Tables(draw_pattern(counts, kStream, {}), 6).matrix);
    ASSERT_EQ(colours.size(), count);
    colours.push_back(kQuery);
    for (const Pixel& a : colours) {
      for (const Pixel& b : colours) {
        int distance = 0;
        for (std::size_t i = 0; i < a.size(); ++i) distance += std::abs(a.at(i) - b.at(i));
        EXPECT_TRUE(a == b || distance >= 100) << count << " shades";
      }
    }
  }
}

void expect_white_margins(const Image& image) {
  constexpr std::int64_t kMargin = 24;
  std::int64_t ink = 0;
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      const bool is_inside =
          x >= kMargin && x < image.width - kMargin && y >= kMargin && y < image.height - kMargin;
      if (!is_inside && pixel_at(image, x, y) != kEarlier) ++ink;
    }
  }
  EXPECT_EQ(ink, 0) << "of " << image.width << " x " << image.height;
}

AttentionSettings five_names(std::size_t letters) {
  AttentionSettings settings;
  settings.stride = 6;
  std::string all;
  for (const char letter : {'V', 'W', 'X', 'Y', 'Z'}) {
    const std::string name(letters, letter);
    settings.define.emplace_back(name, Definition{.kind = SinkPattern{.tokens = letter - 'U'}});
    all += (all.empty() ? "" : "+") + name;
  }
  settings.layers = {{all}, {"local"}, {"column", all}};
  return settings;
}

TEST(PatternDrawing, NoTextIsClipped) {
  const auto drawn = [](const AttentionSettings& settings) {
    return draw_pattern(count_patterns(layer_patterns(settings, 128, 16, 36), 36), kStream, {});
  };
  const Image tables = drawn(five_names(1));  // are wider than all text
  expect_white_margins(tables);
  const Image names = drawn(five_names(60));
  expect_white_margins(names);
  EXPECT_GT(names.width, tables.width);
  // The last number below the matrix is at its right edge.
  const SequenceLayout stream{.length = 9216, .axes = {96, 96}};
  expect_white_margins(draw_pattern(counts_of(9216, 9215, {{"summary"}}), stream, {}));
  for (const std::int64_t length : {36, 1 << 12}) {
    const SequenceLayout small{.length = length, .axes = {length / 4, 4}};
    expect_white_margins(draw_pattern(counts_of(length, 4, {{"fixed"}}), small, {}));
  }
}

TEST(PatternDrawing, NamesOfAnyLengthAreDrawn) {
  AttentionSettings settings;
  settings.stride = 6;
  const std::string name(5000, 'W');
  settings.define = {{name, Definition{.kind = SinkPattern{}}}};
  settings.layers = {{name}};
  const Image image =
      draw_pattern(count_patterns(layer_patterns(settings, 1, 1, 36), 36), kStream, {});
  EXPECT_EQ(image.width, 16384);
}

TEST(PatternDrawing, ThePositionCanBeChosen) {
  const PatternCounts counts = counts_of(36, 6, {{"dense"}});
  const Image first = draw_pattern(counts, kStream, {.position = 0});
  const Image last = draw_pattern(counts, kStream, {.position = 35});
  EXPECT_GT(pixel_counts(last).at(kDark), pixel_counts(first).at(kDark));
}

// Of 1,152 positions two are a dot, and every row of the matrix has one column.
TEST(PatternDrawing, DotsInPartArePaler) {
  const SequenceLayout stream{.length = 1152, .axes = {9, 128}};
  const Image image = draw_pattern(counts_of(1152, 128, {{"column"}}), stream, {});
  const auto corner = last_query(image, 0, image.height);
  const auto left = corner[0] + 2 - 576;
  const auto top = corner[1] + 2 - 576;
  const Cells dots = read_cells(image, left, top, 1, 576, 576);
  const Pixel half = dots.at(70).at(6);  // queries 140 and 141, keys 12 and 13
  EXPECT_EQ(shades(dots).front(), half);
  EXPECT_GT(brightness(half), brightness(kDark));
  EXPECT_LT(brightness(half), brightness(kEarlier) - 200);
  EXPECT_EQ(dots.at(70).at(7), kEarlier);
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
