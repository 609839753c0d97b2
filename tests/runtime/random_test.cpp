#include "runtime/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;

// The known answers that the authors publish with their library (Random123, kat_vectors, philox4x32
// of 10 rounds).
TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_THAT(philox(0, {0, 0, 0, 0}), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(philox(0xffffffffffffffff, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(philox(0x299f31d0a4093822, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(Uniform, StaysInsideTheOpenIntervalAtItsEnds) {
  constexpr auto most = std::numeric_limits<std::uint32_t>::max();
  EXPECT_EQ(to_uniform(0, 0), 0x1p-53);
  EXPECT_EQ(to_uniform(most, most), 1.0 - 0x1p-53);
  EXPECT_NEAR(to_uniform(0x80000000, 0), 0.5, 1e-15);
}

TEST(Normal, HasTheMomentsOfANormalDistribution) {
  constexpr int count = 100000;
  double sum = 0;
  double squares = 0;
  double fourth = 0;
  double product = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto [first, second] = to_normal(philox(7, {i, 0, 0, 0}));
    for (const double x : {first, second}) {
      sum += x;
      squares += x * x;
      fourth += x * x * x * x;
    }
    product += first * second;
  }
  // Five standard errors each.
  EXPECT_NEAR(sum / (2 * count), 0, 5 / std::sqrt(2.0 * count));
  EXPECT_NEAR(squares / (2 * count), 1, 5 * std::sqrt(2 / (2.0 * count)));
  EXPECT_NEAR(fourth / (2 * count), 3, 5 * std::sqrt(96 / (2.0 * count)));
  EXPECT_NEAR(product / count, 0, 5 / std::sqrt(double{count}));
}

}  // namespace
}  // namespace sparse_transformer
