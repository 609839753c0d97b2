#include "config/words.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>

namespace sparse_transformer {
namespace {

enum class Colour : std::uint8_t { kRed, kGreen, kBlue };
constexpr std::array<std::string_view, 2> kWords = {"red", "green"};

TEST(Words, StandForTheValuesInTheirOrder) {
  EXPECT_EQ(word_of(kWords, Colour::kGreen), "green");
  EXPECT_EQ(meaning_of<Colour>(kWords, "red"), Colour::kRed);
  EXPECT_EQ(meaning_of<Colour>(kWords, "green"), Colour::kGreen);
}

TEST(Words, WhatHasNoneIsNoticed) {
  EXPECT_THROW(word_of(kWords, Colour::kBlue), std::out_of_range);
  EXPECT_EQ(meaning_of<Colour>(kWords, "blue"), std::nullopt);
  EXPECT_EQ(meaning_of<Colour>(kWords, ""), std::nullopt);
}

}  // namespace
}  // namespace sparse_transformer
