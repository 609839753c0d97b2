#include "config/checked_integer.h"

#include <gtest/gtest.h>

#include <limits>

namespace sparse_transformer {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

TEST(CheckedInteger, ComputesAsInt64) {
  CheckedInteger number = 6;
  number += 1;
  EXPECT_EQ((number * 3 - 1 + 2).value(), 22);
  EXPECT_EQ((2 * CheckedInteger(kMost / 2) + 1).value(), kMost);
  EXPECT_LT(CheckedInteger(-1), number);
}

TEST(CheckedInteger, ThrowsInsteadOfWrapping) {
  EXPECT_THROW(CheckedInteger(kMost) + 1, IntegerOverflow);
  EXPECT_THROW(CheckedInteger(kLeast) - 1, IntegerOverflow);
  EXPECT_THROW((std::int64_t{1} << 32) * CheckedInteger(std::int64_t{1} << 31), IntegerOverflow);
  EXPECT_THROW(CheckedInteger(kLeast) * -1, IntegerOverflow);
}

}  // namespace
}  // namespace sparse_transformer
