#include "attention/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/errors.h"
#include "tests/attention/pattern_cases.h"

namespace sparse_transformer {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Pattern, PiecesAreDisjointAndTheirUnionIsTheDefinition) {
  for (const PatternCase& c : pattern_cases()) {
    SCOPED_TRACE(case_name(c));
    const LayerPattern layer = layer_of(c);
    for (std::int64_t head = 0; head < c.heads; ++head) {
      for (std::int64_t i = 0; i < c.n; ++i) {
        std::vector<int> seen(static_cast<std::size_t>(c.n), 0);
        for (const Piece& piece : layer.group_of(head).pieces) {
          const KeyGrid grid = keys(piece, i, head);
          for (std::int64_t a = 0; a < grid.rows; ++a) {
            for (std::int64_t b = 0; b < grid.width; ++b) {
              ++seen.at(static_cast<std::size_t>(grid.first + a * grid.step + b));
            }
          }
        }
        for (std::int64_t j = 0; j < c.n; ++j) {
          ASSERT_EQ(seen[static_cast<std::size_t>(j)], sees(c, head, i, j) ? 1 : 0)
              << "head " << head << ", query " << i << ", key " << j;
        }
      }
    }
  }
}

TEST(Pattern, CountsInClosedFormEqualCountedKeys) {
  for (const PatternCase& c : pattern_cases()) {
    SCOPED_TRACE(case_name(c));
    for (const HeadGroup& group : layer_of(c).groups) {
      for (const Piece& piece : group.pieces) {
        std::int64_t counted = 0;
        for (std::int64_t t = 0; t < c.n; ++t) {
          counted += keys(piece, t, group.first_head).count();
          ASSERT_EQ(count_pairs(piece, t + 1), counted) << "after position " << t;
        }
      }
    }
  }
}

TEST(Pattern, LookBackBoundsTheDistanceOfEveryKeyAndIsReached) {
  for (const PatternCase& c : pattern_cases()) {
    SCOPED_TRACE(case_name(c));
    for (const HeadGroup& group : layer_of(c).groups) {
      for (const Piece& piece : group.pieces) {
        const auto bound = look_back(piece);
        if (!bound) continue;
        for (std::int64_t t = 0; t < c.n; ++t) {
          const KeyGrid grid = keys(piece, t, group.first_head);
          if (grid.count() > 0) {
            ASSERT_LE(t - grid.first, *bound);
          }
        }
      }
    }
  }
}

// Pairs by the numbers of §1 of the collected facts about the paper: dense, A1 in the released
// code, A2 strided, their union, fixed A1, fixed merged, and summary alone over earlier rows.
TEST(Pattern, CountsAreThoseOfThePaper) {
  struct Golden {
    std::int64_t n, l, c;
    std::vector<std::int64_t> pairs;
  };
  const std::vector<std::string> names = {"dense", "local", "column", "local+column",
                                          "row",   "fixed", "summary"};
  const std::vector<Golden> golden = {
      {16, 4, 1, {136, 58, 40, 82, 40, 64, 24}},
      {36, 6, 1, {666, 201, 126, 291, 126, 216, 90}},
      {3072, 96, 32, {4720128, 290352, 50688, 337968, 148992, 1672704, 1523712}},
      {12288, 128, 32, {75503616, 1564736, 595968, 2148416, 792576, 19470336, 18677760}}};
  for (const Golden& g : golden) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const LayerPattern layer = layer_of({{names[i]}, g.n, g.l, g.c, 1});
      EXPECT_EQ(count_pairs(layer.groups.front(), g.n), g.pairs[i]) << names[i] << " n=" << g.n;
    }
  }
}

TEST(Pattern, ShortNamesExpandAndLastReplacesTheFinalLayers) {
  AttentionSettings settings;
  settings.stride = 4;
  settings.summary = 2;
  settings.layers = {{"strided"}, {"fixed"}};
  settings.last = {{"dense"}};
  std::vector<std::string> names;
  for (const LayerPattern& layer : layer_patterns(settings, 5, 2)) names.push_back(layer.name());
  EXPECT_THAT(names, testing::ElementsAre("local", "column", "row+summary", "local", "dense"));
}

TEST(Pattern, StridedAloneIsKnownInAHeadGroupOnlyByItsParts) {
  EXPECT_THAT(
      [] {
        layer_of({{"strided", "local"}, 16, 4, 1, 2});
      },
      ThrowsMessage<SettingError>(HasSubstr("write local+column")));
}

TEST(Pattern, RefusesWhatItCannotBeByName) {
  EXPECT_THAT(
      [] {
        layer_of({{"colum"}, 16, 4, 1, 2});
      },
      ThrowsMessage<SettingError>(HasSubstr("unknown pattern 'colum' (did you mean 'column'?)")));
  EXPECT_THAT(
      [] {
        layer_of({{"column+summary"}, 16, 4, 1, 2});
      },
      ThrowsMessage<SettingError>(HasSubstr("'column+summary' overlap")));
  EXPECT_THAT(
      [] {
        layer_of({{"local", "column"}, 16, 4, 1, 3});
      },
      ThrowsMessage<SettingError>(HasSubstr("3 heads do not divide into the 2 head groups")));
  EXPECT_THAT(
      [] {
        layer_of({{"summary"}, 16, 4, 3, 2});
      },
      ThrowsMessage<SettingError>(HasSubstr("3 columns do not divide the stride of 4")));
  EXPECT_THAT(([] {
                AttentionSettings settings = settings_of({{"summary"}, 16, 4, 2, 2});
                settings.summary_blocks = 3;
                layer_patterns(settings, 1, 2);
              }),
              ThrowsMessage<SettingError>(HasSubstr("3 sub-blocks of 2 columns do not fit")));
}

TEST(Pattern, CountsQueriesWithoutAnyKey) {
  EXPECT_EQ(count_empty_queries(layer_of({{"previous"}, 16, 4, 1, 2}), 16), 4);
  EXPECT_EQ(count_empty_queries(layer_of({{"local", "summary"}, 16, 4, 1, 2}), 16), 4);
  EXPECT_EQ(count_empty_queries(layer_of({{"local"}, 16, 4, 1, 2}), 16), 0);
}

// Paper §4.2: with p = 2 every position is connected to every earlier one within two layers.
TEST(Pattern, StridedAndFixedConnectFirstToLastAndLocalAloneDoesNot) {
  const auto connects = [](const WordLists& layers, std::int64_t depth) {
    AttentionSettings settings;
    settings.stride = 8;
    settings.summary = 2;
    settings.layers = layers;
    return connects_first_to_last(layer_patterns(settings, depth, 4), 64);
  };
  EXPECT_TRUE(connects({{"strided"}}, 2));
  EXPECT_TRUE(connects({{"column"}, {"local"}}, 2));
  EXPECT_TRUE(connects({{"fixed"}}, 2));
  EXPECT_FALSE(connects({{"local"}}, 8));
  EXPECT_TRUE(connects({{"local"}}, 9));
  EXPECT_FALSE(connects({{"row"}}, 100));
}

}  // namespace
}  // namespace sparse_transformer
