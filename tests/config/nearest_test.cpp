#include "config/nearest.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sparse_transformer {
namespace {

const std::vector<std::string> known_words = {"steps", "batch", "learning_rate", "seed"};

TEST(Nearest, FindsOneSlipOfAnyKind) {
  EXPECT_EQ(nearest_word("stepz", known_words), "steps");
  EXPECT_EQ(nearest_word("step", known_words), "steps");
  EXPECT_EQ(nearest_word("stteps", known_words), "steps");
  EXPECT_EQ(nearest_word("setps", known_words), "steps");
  EXPECT_EQ(nearest_word("Steps", known_words), "steps");
  EXPECT_EQ(nearest_word("learning-rate", known_words), "learning_rate");
}

TEST(Nearest, CountsASwapOfNeighboursAsOneSlip) {
  const std::vector<std::string> known = {"abc"};
  EXPECT_EQ(nearest_word("bac", known), "abc");
  EXPECT_EQ(nearest_word("cba", known), std::nullopt);
}

TEST(Nearest, LongWordsMayHaveMoreSlips) {
  EXPECT_EQ(nearest_word("lerning_rat", known_words), "learning_rate");
}

TEST(Nearest, IsSilentWhereNothingIsNear) {
  EXPECT_EQ(nearest_word("width", known_words), std::nullopt);
  EXPECT_EQ(nearest_word("", known_words), std::nullopt);
  EXPECT_EQ(nearest_word("steps", {}), std::nullopt);
}

TEST(Nearest, PrefersTheSmallestDistance) {
  const std::vector<std::string> known = {"abcdxx", "abcdex", "abcdef"};
  EXPECT_EQ(nearest_word("abcdef", known), "abcdef");
  EXPECT_EQ(nearest_word("abcdeg", known), "abcdex");
}

TEST(Nearest, AsksInAMessage) {
  EXPECT_EQ(did_you_mean("stepz", known_words), " (did you mean 'steps'?)");
  EXPECT_EQ(did_you_mean("width", known_words), "");
}

}  // namespace
}  // namespace sparse_transformer
