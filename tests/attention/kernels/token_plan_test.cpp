#include "attention/kernels/token_plan.h"

#include <gtest/gtest.h>

namespace sparse_transformer {
namespace {

bool serves(std::int64_t query_width, std::int64_t value_width, at::ScalarType type) {
  return serves_token({query_width, value_width, 1.0}, type);
}

TEST(TokenPlan, ServesMultiplesOfEightUpToTheWidest) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    EXPECT_TRUE(serves(8, 128, type));
    EXPECT_TRUE(serves(72, 8, type));
    EXPECT_FALSE(serves(12, 8, type));
    EXPECT_FALSE(serves(8, 136, type));
    EXPECT_FALSE(serves(8, 0, type));
  }
  EXPECT_FALSE(serves(8, 8, at::kDouble));
}

}  // namespace
}  // namespace sparse_transformer
