#include "config/nearest.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sparse_transformer {
namespace {

const std::vector<std::string> kKnown = {"steps", "batch", "learning_rate", "seed"};

TEST(Nearest, FindsOneSlipOfAnyKind) {
  EXPECT_EQ(nearest_word("stepz", kKnown), "steps");
  EXPECT_EQ(nearest_word("step", kKnown), "steps");
  EXPECT_EQ(nearest_word("stteps", kKnown), "steps");
  EXPECT_EQ(nearest_word("setps", kKnown), "steps");
  EXPECT_EQ(nearest_word("Steps", kKnown), "steps");
  EXPECT_EQ(nearest_word("learning-rate", kKnown), "learning_rate");
}

TEST(Nearest, CountsASwapOfNeighboursAsOneSlip) {
  const std::vector<std::string> known = {"abc"};
  EXPECT_EQ(nearest_word("bac", known), "abc");
  EXPECT_EQ(nearest_word("cba", known), std::nullopt);
}

TEST(Nearest, LongWordsMayHaveMoreSlips) {
  EXPECT_EQ(nearest_word("lerning_rat", kKnown), "learning_rate");
}

TEST(Nearest, IsSilentWhereNothingIsNear) {
  EXPECT_EQ(nearest_word("width", kKnown), std::nullopt);
  EXPECT_EQ(nearest_word("", kKnown), std::nullopt);
  EXPECT_EQ(nearest_word("steps", {}), std::nullopt);
}

TEST(Nearest, PrefersTheSmallestDistance) {
  const std::vector<std::string> known = {"abcdxx", "abcdex", "abcdef"};
  EXPECT_EQ(nearest_word("abcdef", known), "abcdef");
  EXPECT_EQ(nearest_word("abcdeg", known), "abcdex");
}

TEST(Nearest, AsksInAMessage) {
  EXPECT_EQ(did_you_mean("stepz", kKnown), " (did you mean 'steps'?)");
  EXPECT_EQ(did_you_mean("width", kKnown), "");
}

}  // namespace
}  // namespace sparse_transformer
