#include "data/generated.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "config/errors.h"
#include "data/mu_law.h"
#include "tests/data/all_tokens.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Bytes = std::vector<std::uint8_t>;

Bytes picture(std::int64_t index, const std::vector<std::int64_t>& shape, std::uint64_t seed = 1) {
  Bytes pixels(static_cast<std::size_t>(shape[0] * shape[1] * shape[2]));
  draw_picture(seed, index, shape, pixels);
  return pixels;
}

DataSettings pictures(std::int64_t items) {
  DataSettings settings;
  settings.source = DataSource::kGenerated;
  settings.generated.items = items;
  return settings;
}

TEST(GeneratedPictures, AreAFunctionOfSeedAndIndex) {
  const DataSet data = open_data(pictures(100));
  EXPECT_EQ(data.format.shape, (std::vector<std::int64_t>{16, 16, 3}));
  EXPECT_EQ(data.item_size, 768);
  EXPECT_EQ(data.train->size(), 90 * 768);
  EXPECT_EQ(data.valid->size(), 5 * 768);
  const Bytes test = all_tokens(*data.test);
  ASSERT_EQ(test.size(), 5U * 768);
  EXPECT_EQ(Bytes(test.begin(), test.begin() + 768), picture(95, {16, 16, 3}));
  EXPECT_NE(picture(95, {16, 16, 3}, 2), picture(95, {16, 16, 3}, 1));

  DataSettings other = pictures(100);
  other.generated.seed = 2;
  EXPECT_EQ(open_data(pictures(100)).content_hash(), data.content_hash());
  EXPECT_NE(open_data(other).content_hash(), data.content_hash());
}

TEST(GeneratedPictures, AreOneFigureOnAPlainBackground) {
  std::set<std::string> different;
  for (std::int64_t index = 0; index < 500; ++index) {
    const Bytes pixels = picture(index, {16, 16, 3});
    std::set<std::array<std::uint8_t, 3>> colours;
    std::int64_t of_first_colour = 0;
    for (std::size_t i = 0; i < pixels.size(); i += 3) {
      colours.insert({pixels[i], pixels[i + 1], pixels[i + 2]});
      of_first_colour += std::equal(&pixels[i], &pixels[i] + 3, pixels.begin()) ? 1 : 0;
    }
    EXPECT_EQ(colours.size(), 2U) << index;
    EXPECT_GE(of_first_colour, 16) << index;  // something to see of both
    EXPECT_LE(of_first_colour, 240) << index;
    different.emplace(pixels.begin(), pixels.end());
  }
  EXPECT_GT(different.size(), 350U);
}

TEST(GeneratedPictures, ComeInEveryShape) {
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{8, 8, 1}, {16, 16, 1}, {9, 31, 3}, {32, 32, 3}, {64, 64, 3}}) {
    std::set<std::string> different;
    for (std::int64_t index = 0; index < 50; ++index) {
      const Bytes pixels = picture(index, shape);
      different.emplace(pixels.begin(), pixels.end());
    }
    EXPECT_GT(different.size(), 30U);
  }
}

TEST(GeneratedPictures, StayTheSameForEver) {
  const Bytes pixels = picture(0, {8, 8, 1});
  std::ostringstream drawing;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    drawing << int{pixels[i]} << (i % 8 == 7 ? '\n' : ' ');
  }
  EXPECT_EQ(drawing.str(),
            "240 240 240 240 240 240 240 240\n"
            "240 240 80 80 240 240 240 240\n"
            "240 240 80 80 240 240 240 240\n"
            "240 80 80 80 80 240 240 240\n"
            "240 80 80 80 80 240 240 240\n"
            "80 80 80 80 80 80 240 240\n"
            "240 240 240 240 240 240 240 240\n"
            "240 240 240 240 240 240 240 240\n");
}

TEST(GeneratedTunes, AreNotesThatBeginAndEndInSilence) {
  DataSettings settings;
  settings.source = DataSource::kGenerated;
  settings.generated.kind = GeneratedKind::kTunes;
  settings.generated.items = 40;
  settings.sequence = 2048;
  const DataSet data = open_data(settings);
  EXPECT_EQ(data.format.kind, TokenFormat::Kind::kSound);
  EXPECT_EQ(data.format.sample_rate, 4000);
  EXPECT_EQ(data.item_size, 2048);
  std::set<std::string> different;
  const Bytes tokens = all_tokens(*data.train);
  for (auto tune = tokens.begin(); tune != tokens.end(); tune += 2048) {
    const Bytes codes(tune, tune + 2048);
    EXPECT_EQ(codes.front(), 0xFF);
    EXPECT_LT(std::abs(mu_law_decode(codes.back())), 100);
    const auto [quiet, loud] = std::minmax_element(codes.begin(), codes.end(), [](int a, int b) {
      return mu_law_decode(static_cast<std::uint8_t>(a)) <
             mu_law_decode(static_cast<std::uint8_t>(b));
    });
    EXPECT_LT(mu_law_decode(*quiet), -10000);
    EXPECT_GT(mu_law_decode(*loud), 10000);
    different.emplace(codes.begin(), codes.end());
  }
  EXPECT_GT(different.size(), 20U);
  EXPECT_EQ(data.content_hash(),
            "a95da15353583016ace04285c98f7c17ea8d554838d98e18c66fe8c4ad74b722");
}

TEST(Generated, RefusesWhatIsTooSmallAndSplitsByPath) {
  DataSettings settings = pictures(100);
  settings.shape = {4, 16, 3};
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<SettingError>(HasSubstr("data.shape: got [4, 16, 3]")));
  settings = pictures(100);
  settings.split.test = std::vector<std::string>{"somewhere"};
  EXPECT_THROW(open_data(settings), SettingError);
  settings = pictures(10);
  settings.split.test = 11.0;
  EXPECT_THROW(open_data(settings), UserError);
  settings = pictures(10);
  settings.generated.kind = GeneratedKind::kTunes;
  settings.sequence = 100;
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<SettingError>(HasSubstr("data.sequence: got 100")));
}

}  // namespace
}  // namespace sparse_transformer
