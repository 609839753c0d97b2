#include "attention/pattern_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

AttentionSettings settings(std::int64_t stride, const WordLists& layers) {
  AttentionSettings result;
  result.stride = stride;
  result.layers = layers;
  return result;
}

TEST(PatternCounts, EqualLayersAreCountedOnce) {
  const auto layers = layer_patterns(settings(4, {{"column"}, {"local"}, {"local"}}), 6, 2, 16);
  const PatternCounts counts = count_patterns(layers, 16);
  ASSERT_EQ(counts.groups.size(), 2U);
  EXPECT_THAT(counts.groups[0].layers, ElementsAre(0, 3));
  EXPECT_THAT(counts.groups[1].layers, ElementsAre(1, 2, 4, 5));
  // paper.md §1, n = 16, l = 4: 40 pairs in columns, 58 in windows, 136 in all.
  EXPECT_EQ(counts.groups[0].pairs, 40);
  EXPECT_EQ(counts.groups[1].pairs, 58);
  EXPECT_DOUBLE_EQ(counts.groups[1].pairs_per_query, 58.0 / 16);
  EXPECT_DOUBLE_EQ(counts.groups[1].share_of_dense, 58.0 / 136);
  EXPECT_DOUBLE_EQ(counts.pairs_per_query, (40 + 2 * 58) / 3.0 / 16);
  EXPECT_DOUBLE_EQ(counts.share_of_dense, (40 + 2 * 58) / 3.0 / 136);
  EXPECT_TRUE(counts.connected);
}

TEST(PatternCounts, HeadGroupsAreCountedApart) {
  const auto layers = layer_patterns(settings(4, {{"local", "column"}}), 2, 4, 16);
  const PatternCounts counts = count_patterns(layers, 16);
  ASSERT_EQ(counts.groups.size(), 2U);
  EXPECT_EQ(counts.groups[1].group.name, "column");
  EXPECT_EQ(counts.groups[1].group.first_head, 2);
  EXPECT_THAT(counts.groups[1].layers, ElementsAre(0, 1));
}

TEST(PatternCounts, QueriesWithoutKeysAndPositionsOutOfReachAreTold) {
  AttentionSettings summary = settings(4, {{"summary"}});
  summary.summary = 1;
  const PatternCounts counts = count_patterns(layer_patterns(summary, 1, 1, 16), 16);
  EXPECT_EQ(counts.groups[0].empty_queries, 4);  // the first row has no earlier one
  EXPECT_FALSE(counts.connected);
  EXPECT_THAT(counts_table(counts), HasSubstr("never reaches position 15"));
}

TEST(PatternCounts, TheTableHasALineForEachGroup) {
  const auto layers = layer_patterns(settings(96, {{"column"}, {"local"}}), 128, 2, 3072);
  EXPECT_EQ(counts_table(count_patterns(layers, 3072)),
            "pattern  layers              heads  pairs a head  keys a query  of dense  no key\n"
            "column   0, 2, 4 … 126 (64)  0-1          50,688          16.5     1.07%       0\n"
            "local    1, 3, 5 … 127 (64)  0-1         290,352          94.5     6.15%       0\n"
            "mean                                                      55.5     3.61%\n"
            "What is at position 0 reaches position 3071.\n");
}

TEST(PatternCounts, FewLayersAreNamedOneByOne) {
  EXPECT_EQ(layers_text({3}), "3");
  EXPECT_EQ(layers_text({0, 1, 2, 5}), "0, 1, 2, 5");
  EXPECT_EQ(layers_text({0, 1, 2, 3, 4}), "0, 1, 2 … 4 (5)");
}

}  // namespace
}  // namespace sparse_transformer
