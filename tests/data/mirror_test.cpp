#include "data/mirror.h"

#include <gtest/gtest.h>

#include <vector>

namespace sparse_transformer {
namespace {

using Pixels = std::vector<std::uint8_t>;

Pixels mirrored(Pixels pixels, const std::vector<std::int64_t>& shape) {
  mirror(pixels, shape);
  return pixels;
}

TEST(Mirror, SwapsLeftAndRightAndKeepsColours) {
  EXPECT_EQ(mirrored({1, 2, 3, 4, 5, 6}, {2, 3, 1}), (Pixels{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(mirrored({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {2, 2, 3}),
            (Pixels{4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9}));
  EXPECT_EQ(mirrored({1, 2}, {2, 1, 1}), (Pixels{1, 2}));
  EXPECT_EQ(mirrored({}, {2, 1, 1}), (Pixels{}));
}

TEST(Mirror, HalfOfTheSequencesAreMirroredBySeedAndNumber) {
  int count = 0, same = 0;
  for (std::int64_t g = 0; g < 10'000; ++g) {
    count += is_mirrored(1, g) ? 1 : 0;
    same += is_mirrored(1, g) == is_mirrored(2, g) ? 1 : 0;
  }
  EXPECT_NEAR(count, 5000, 250);  // 5 deviations
  EXPECT_NEAR(same, 5000, 250);
}

}  // namespace
}  // namespace sparse_transformer
