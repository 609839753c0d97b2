#include "data/transposition.h"

#include <gmock/gmock.h>

#include <map>
#include <vector>

#include "data/token_data.h"

namespace sparse_transformer {
namespace {

using Cells = std::vector<std::uint8_t>;

Cells moved(Cells cells, std::int64_t semitones) {
  transpose(cells, semitones);
  return cells;
}

TEST(Transposition, MovesPitchesAndNothingElse) {
  EXPECT_EQ(moved({60, kHold, kRest, 72, 200}, 5), (Cells{65, kHold, kRest, 77, 200}));
  EXPECT_EQ(moved({60, kHold, kRest, 72, 255}, -7), (Cells{53, kHold, kRest, 65, 255}));
  EXPECT_EQ(moved({60, kHold}, 0), (Cells{60, kHold}));
}

TEST(Transposition, GoesNoFurtherThanThePitchesGo) {
  EXPECT_EQ(moved({100, 125, kHold}, 5), (Cells{102, 127, kHold}));
  EXPECT_EQ(moved({3, 60}, -12), (Cells{0, 57}));
  EXPECT_EQ(moved({0, 127}, 4), (Cells{0, 127}));
  EXPECT_EQ(moved({kRest, kHold}, 4), (Cells{kRest, kHold}));
  EXPECT_EQ(moved({}, 4), (Cells{}));
}

TEST(Transposition, AllDistancesAreDrawnAboutEquallyOften) {
  std::map<std::int64_t, int> counts;
  for (std::int64_t g = 0; g < 11'000; ++g) ++counts[drawn_semitones(1, g, 5)];
  EXPECT_EQ(counts.size(), 11U);
  EXPECT_EQ(counts.begin()->first, -5);
  EXPECT_EQ(counts.rbegin()->first, 5);
  for (const auto& [semitones, count] : counts) EXPECT_NEAR(count, 1000, 150) << semitones;
}

TEST(Transposition, IsDrawnFromSeedAndSequenceOnly) {
  int same = 0;
  for (std::int64_t g = 0; g < 1000; ++g) {
    EXPECT_EQ(drawn_semitones(7, g, 6), drawn_semitones(7, g, 6));
    same += drawn_semitones(7, g, 6) == drawn_semitones(8, g, 6) ? 1 : 0;
  }
  EXPECT_LT(same, 200);
}

}  // namespace
}  // namespace sparse_transformer
