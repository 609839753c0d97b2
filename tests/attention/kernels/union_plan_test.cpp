#include "attention/kernels/union_plan.h"

#include <gtest/gtest.h>

#include "tests/attention/pattern_cases.h"

namespace sparse_transformer {
namespace {

LayerPattern pattern_of(const std::string& entry, std::int64_t heads = 2) {
  return layer_of({{entry}, 60, 6, 3, heads});
}

bool serves(const std::string& entry, std::int64_t query_width = 64,
            std::int64_t value_width = 64) {
  return is_served_union(pattern_of(entry), {query_width, value_width, 1.0}, 60);
}

TEST(UnionPlan, ServesBandsAndListsOfServedWidths) {
  EXPECT_TRUE(serves("local+column"));
  EXPECT_TRUE(serves("row+summary"));
  EXPECT_TRUE(serves("local+column", 8, 128));
  EXPECT_FALSE(serves("local+column", 20));
  EXPECT_FALSE(serves("local+column", 136));
  EXPECT_FALSE(serves("local+column", 64, 0));
  EXPECT_FALSE(serves("dense"));
  EXPECT_FALSE(serves("random"));
}

TEST(UnionPlan, OneLaunchAHeadGroup) {
  const LayerPattern pattern = layer_of({{"row+summary", "local"}, 60, 6, 3, 4});
  const UnionPlan plan = union_plan(pattern, {64, 64, 1.0}, 3, 60, Direction::kForward);
  ASSERT_EQ(plan.launches.size(), 2U);
  EXPECT_EQ(plan.launches[0].count, 2);
  EXPECT_FALSE(plan.launches[0].pieces[0].accumulates);
  EXPECT_TRUE(plan.launches[0].pieces[1].accumulates);
  EXPECT_EQ(plan.launches[1].sizes.first_head, 2);
  EXPECT_TRUE(plan.partial.empty());
}

TEST(UnionPlan, NamesGroupsThatNoPieceWritesWhole) {
  for (const char* const entry : {"summary", "after"}) {
    const LayerPattern pattern = pattern_of(entry);
    const UnionPlan plan = union_plan(pattern, {64, 64, 1.0}, 1, 60, Direction::kForward);
    ASSERT_EQ(plan.partial.size(), 1U) << entry;
    EXPECT_EQ(plan.partial[0], pattern.groups.data()) << entry;
    EXPECT_TRUE(plan.launches.at(0).pieces[0].accumulates) << entry;
  }
}

// A column of few rows leaves most of a tile of many rows empty; a window reads each key as often
// as there are tiles that see it.
TEST(UnionPlan, TilesFitThePieces) {
  const auto warps = [](const std::string& entry, std::int64_t n, std::int64_t stride) {
    const LayerPattern pattern = layer_of({{entry}, n, stride, 1, 2});
    return union_plan(pattern, {64, 64, 1.0}, 1, n, Direction::kForward).launches.at(0).warps;
  };
  EXPECT_EQ(warps("local", 3072, 96), 4);
  EXPECT_LT(warps("column", 1536, 96), 4);  // 16 rows
}

}  // namespace
}  // namespace sparse_transformer
