#include "generation/token_choice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "config/errors.h"
#include "generation/token_uniform.h"

namespace sparse_transformer {
namespace {

using Logits = std::array<double, 256>;

/// Logits of these probabilities for the first tokens, next to nothing for the rest.
Logits logits_of(const std::vector<double>& probabilities) {
  Logits logits;
  logits.fill(-1e6);
  for (std::size_t i = 0; i < probabilities.size(); ++i) logits[i] = std::log(probabilities[i]);
  return logits;
}

void expect_first(const TokenProbabilities& probabilities, const std::vector<double>& expected) {
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    EXPECT_NEAR(probabilities[i], i < expected.size() ? expected[i] : 0.0, 1e-12) << "token " << i;
  }
}

const std::vector<double> kSkewed = {0.1, 0.4, 0.2, 0.3};

TEST(TokenProbabilities, AreTheSoftmaxWhereNothingIsChanged) {
  expect_first(token_probabilities(logits_of(kSkewed), {}), kSkewed);
}

TEST(TokenProbabilities, AreSharpenedByTemperature) {
  // p^(1/T), normalised: squares for T = 1/2.
  expect_first(token_probabilities(logits_of(kSkewed), {.temperature = 0.5}),
               {0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3});
}

TEST(TokenProbabilities, AtTemperatureZeroAreAllOnTheMostLikelyToken) {
  expect_first(token_probabilities(logits_of(kSkewed), {.temperature = 0.0}), {0.0, 1.0});
  expect_first(token_probabilities(logits_of({0.2, 0.4, 0.4}), {.temperature = 0.0}), {0.0, 1.0});
}

TEST(TokenProbabilities, KeepTheTopK) {
  expect_first(token_probabilities(logits_of(kSkewed), {.top_k = 1}), {0.0, 1.0});
  expect_first(token_probabilities(logits_of(kSkewed), {.top_k = 2}), {0.0, 4.0 / 7, 0.0, 3.0 / 7});
  expect_first(token_probabilities(logits_of(kSkewed), {.top_k = 256}), kSkewed);
  expect_first(token_probabilities(logits_of({0.25, 0.25, 0.25, 0.25}), {.top_k = 2}), {0.5, 0.5});
}

TEST(TokenProbabilities, KeepTheFewestThatReachTopP) {
  const auto kept = [](double top_p) {
    return token_probabilities(logits_of(kSkewed), {.top_p = top_p});
  };
  expect_first(kept(0.01), {0.0, 1.0});
  expect_first(kept(0.39), {0.0, 1.0});
  expect_first(kept(0.41), {0.0, 4.0 / 7, 0.0, 3.0 / 7});
  expect_first(kept(0.69), {0.0, 4.0 / 7, 0.0, 3.0 / 7});
  expect_first(kept(0.71), {0.0, 4.0 / 9, 2.0 / 9, 3.0 / 9});
  expect_first(kept(0.99), kSkewed);
}

TEST(TokenProbabilities, TakeTopPOfWhatTopKLeft) {
  // 0.4 of the 0.7 that two tokens have is more than a half.
  expect_first(token_probabilities(logits_of(kSkewed), {.top_k = 2, .top_p = 0.5}), {0.0, 1.0});
}

TEST(TokenProbabilities, StandLargeLogits) {
  Logits logits = {};
  logits[7] = 1e30;
  EXPECT_EQ(token_probabilities(logits, {.temperature = 1e-3})[7], 1.0);
}

TEST(TokenProbabilities, OfAModelThatIsNotFiniteAreRefused) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Logits logits = {};
    logits[9] = bad;
    EXPECT_THROW(token_probabilities(logits, {.temperature = 0.0}), WorldError);
  }
}

TEST(TokenAt, InvertsTheCumulativeDistribution) {
  const TokenProbabilities p = token_probabilities(logits_of(kSkewed), {.top_k = 3});  // 1, 2, 3
  EXPECT_EQ(token_at(p, 1e-9), 1);
  EXPECT_EQ(token_at(p, 4.0 / 9 - 1e-9), 1);
  EXPECT_EQ(token_at(p, 4.0 / 9 + 1e-9), 2);
  EXPECT_EQ(token_at(p, 6.0 / 9 - 1e-9), 2);
  EXPECT_EQ(token_at(p, 6.0 / 9 + 1e-9), 3);
  EXPECT_EQ(token_at(p, std::nextafter(1.0, 0.0)), 3);
}

TEST(TokenUniform, DrawsEveryTokenAsOftenAsItsProbabilitySays) {
  const TokenProbabilities p = token_probabilities(logits_of(kSkewed), {});
  std::array<int, 256> drawn = {};
  constexpr int kDraws = 40000;
  for (int i = 0; i < kDraws; ++i) ++drawn[token_at(p, token_uniform(1, i / 200, i % 200))];
  for (std::size_t token = 0; token < kSkewed.size(); ++token) {
    const double deviation = std::sqrt(kDraws * kSkewed[token] * (1 - kSkewed[token]));
    EXPECT_NEAR(drawn[token], kDraws * kSkewed[token], 4 * deviation) << "token " << token;
  }
  EXPECT_EQ(std::accumulate(drawn.begin(), drawn.begin() + 4, 0), kDraws);
}

TEST(TokenUniform, DependsOnSeedSampleAndPosition) {
  const std::set<double> drawn = {token_uniform(1, 2, 3), token_uniform(2, 2, 3),
                                  token_uniform(1, 3, 3), token_uniform(1, 2, 4),
                                  token_uniform(1, 3, 2), token_uniform(1, 2 + (1LL << 32), 3)};
  EXPECT_EQ(drawn.size(), 6U);
  EXPECT_EQ(token_uniform(1, 2, 3), token_uniform(1, 2, 3));
}

}  // namespace
}  // namespace sparse_transformer
