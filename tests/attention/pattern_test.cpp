#include "attention/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

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
          for_each_key(piece, i, head,
                       [&](std::int64_t key) { ++seen.at(static_cast<std::size_t>(key)); });
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
      std::int64_t total = 0;
      for (std::int64_t head = group.first_head; head < group.first_head + group.heads; ++head) {
        for (const Piece& piece : group.pieces) {
          std::int64_t counted = 0;
          for (std::int64_t t = 0; t < c.n; ++t) {
            counted += count_keys(piece, t, head);
            ASSERT_EQ(count_pairs(piece, t + 1, head), counted)
                << "after position " << t << ", head " << head;
          }
          total += counted;
        }
      }
      EXPECT_EQ(count_pairs(group, c.n), total);
    }
  }
}

TEST(Pattern, LookBackBoundsTheDistanceOfEveryKey) {
  for (const PatternCase& c : pattern_cases()) {
    SCOPED_TRACE(case_name(c));
    for (const HeadGroup& group : layer_of(c).groups) {
      for (const Piece& piece : group.pieces) {
        const auto bound = look_back(piece);
        if (!bound) continue;
        for (std::int64_t t = 0; t < c.n; ++t) {
          for_each_key(piece, t, group.first_head,
                       [&](std::int64_t key) { ASSERT_LE(t - key, *bound); });
        }
      }
    }
  }
}

std::size_t pieces_of(const std::string& text) {
  return layer_of({{text}, 64, 8, 2, 4}).groups.front().pieces.size();
}

bool is_listed(const std::string& text) {
  const auto pieces = layer_of({{text}, 64, 8, 2, 4}).groups.front().pieces;
  return std::any_of(pieces.begin(), pieces.end(),
                     [](const Piece& piece) { return std::holds_alternative<Blocks>(piece); });
}

TEST(Pattern, UnionsAreFewBandsAndListsWhereThatIsPossible) {
  EXPECT_EQ(pieces_of("local+column"), 2U);
  EXPECT_EQ(pieces_of("local+row"), 1U);
  EXPECT_EQ(pieces_of("row+previous+summary"), 3U);
  EXPECT_EQ(pieces_of("dense+column+random"), 1U);
  EXPECT_EQ(pieces_of("start+near+column"), 3U);
  EXPECT_EQ(pieces_of("conv+column"), 3U + 1U);
  for (const char* text : {"near+local", "start+local", "start+column", "text+prow", "text+pcolumn",
                           "conv+column", "row+conv", "plane+depth", "tokens+local"}) {
    EXPECT_FALSE(is_listed(text)) << text;
  }
  for (const char* text : {"local+summary", "column+summary", "random", "random+local"}) {
    EXPECT_TRUE(is_listed(text)) << text;
  }
}

// The parts have the pairs that the union takes from only one of them.
TEST(Pattern, AUnionKnowsItsParts) {
  const HeadGroup group = layer_of({{"local+column"}, 64, 8, 2, 4}).groups.front();
  ASSERT_EQ(group.parts.size(), 2U);
  for (const HeadGroup& part : group.parts) {
    const HeadGroup alone = layer_of({{part.name}, 64, 8, 2, 4}).groups.front();
    EXPECT_EQ(part.heads, group.heads);
    EXPECT_EQ(part.pieces, alone.pieces) << part.name;
    ASSERT_EQ(alone.parts.size(), 1U);
    EXPECT_EQ(alone.parts.front().pieces, alone.pieces) << part.name;
  }
}

// What is listed of a window over columns is near the window: far rows stay one shared list.
TEST(Pattern, OnlyTheOverlapIsListed) {
  const auto pieces = layer_of({{"local+summary"}, 64, 8, 2, 4}).groups.front().pieces;
  ASSERT_EQ(pieces.size(), 3U);
  EXPECT_EQ(look_back(pieces.back()), 2 * 8 - 1);
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
  for (const LayerPattern& layer : layer_patterns(settings, 5, 2, 16))
    names.push_back(layer.name());
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
                layer_patterns(settings, 1, 2, 16);
              }),
              ThrowsMessage<SettingError>(HasSubstr("3 sub-blocks of 2 columns do not fit")));
}

TEST(Pattern, RefusesDefinitionsThatDoNotFit) {
  const auto refusal = [](const Definition& definition, const std::string& name = "mine") {
    AttentionSettings settings = settings_of({{name}, 16, 4, 2, 2});
    settings.define = {{name, definition}};
    try {
      layer_patterns(settings, 1, 2, 16);
    } catch (const SettingError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(refusal({SinkPattern{}}, "local"),
              HasSubstr("define.local: 'local' is a pattern already"));
  EXPECT_THAT(refusal({SinkPattern{}}, "a+b"), HasSubstr("define.a+b: a name without '+'"));
  EXPECT_EQ(refusal({ConvolutionPattern{.kernel = 4, .row = {}}}),
            "model.attention.define.mine.convolution.kernel: got 4, expected an odd number: the "
            "square has a middle");
  EXPECT_THAT(refusal({SpreadPattern{.count = 3, .row = {}}}),
              HasSubstr("spread.count: 3 positions do not divide a row of 4"));
  EXPECT_THAT(refusal({SegmentsPattern{.segment = 8, .dilation = 3}}),
              HasSubstr("segments.dilation: 3 does not divide a segment of 8"));
  EXPECT_THAT(refusal({GlobalPattern{.positions = {3, 16}}}),
              HasSubstr("global.positions: position 16 is not in a sequence of 16"));
  EXPECT_THAT(refusal({LayoutPattern{.block = 4, .path = {}, .rows = {"1", "11"}}}),
              HasSubstr("layout: 2 lines, expected 4: one for every 4 of 16 positions"));
  EXPECT_THAT(refusal({LayoutPattern{.block = 8, .path = {}, .rows = {"10", "12"}}}),
              HasSubstr("layout.rows: line 2 is '12', expected 2 times 0 or 1"));
  EXPECT_EQ(refusal({SinkPattern{}}), "no error");
}

TEST(Pattern, AMisspeltDefinitionIsNamedWithTheNearest) {
  EXPECT_THAT(
      [] {
        layer_of({{"neer"}, 16, 4, 1, 2});
      },
      ThrowsMessage<SettingError>(HasSubstr("'neer' (did you mean 'near'?)")));
}

// What a draw has no formula for: as many blocks as asked for, each once and before one's own; by
// seed and head, and the same every time.
TEST(Pattern, RandomBlocksAreDistinctEarlierOnes) {
  const auto drawn = [](std::int64_t seed, std::int64_t head) {
    const RandomPattern random{.block = 4, .blocks = 3, .seed = seed};
    const auto pieces =
        random.pieces({.stride = 1, .length = 401, .heads = 8, .first_head = 2, .group_heads = 4});
    std::vector<std::vector<std::int64_t>> keys(401);
    for (std::int64_t t = 0; t < 401; ++t) {
      for_each_key(pieces.front(), t, head,
                   [&](std::int64_t key) { keys[static_cast<std::size_t>(t)].push_back(key); });
    }
    return keys;
  };
  const auto keys = drawn(1, 3);
  std::vector<bool> seen(100, false);
  for (std::int64_t t = 0; t < 401; ++t) {
    const auto& its = keys[static_cast<std::size_t>(t)];
    EXPECT_EQ(static_cast<std::int64_t>(its.size()), 4 * std::min<std::int64_t>(3, t / 4));
    EXPECT_TRUE(std::is_sorted(its.begin(), its.end()));
    if (!its.empty()) {
      EXPECT_LT(its.back() / 4, t / 4);
    }
    for (const std::int64_t key : its) seen[static_cast<std::size_t>(key / 4)] = true;
  }
  EXPECT_GT(std::count(seen.begin(), seen.end(), true), 60);
  EXPECT_EQ(drawn(1, 3), keys);
  EXPECT_NE(drawn(2, 3), keys);
  EXPECT_NE(drawn(1, 4), keys);
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
    return connects_first_to_last(layer_patterns(settings, depth, 4, 64), 64);
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
