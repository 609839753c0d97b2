// The choice of a token (generation/kernels/token_choice.cu) against the host's.
#include "generation/token_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "generation/kernels/token_choice.h"
#include "generation/token_uniform.h"
#include "tests/cuda/device_buffer.h"
#include "tests/cuda/random_numbers.h"

namespace sparse_transformer {
namespace {

constexpr std::uint64_t kSeed = 7;
constexpr std::int64_t kFirstSample = (std::int64_t{1} << 33) + 5;
constexpr std::int64_t kLength = 12;
constexpr std::uint8_t kUnwritten = 99;
constexpr float kLargest = std::numeric_limits<float>::max();

using Row = std::vector<float>;  // 256 logits

struct Chosen {
  std::vector<std::uint8_t> tokens;      // [batch, kLength]
  std::vector<std::int64_t> not_finite;  // [batch]
};

/// first_not_finite: what `not_finite` has before.
Chosen choose_on_device(const std::vector<Row>& rows, const TokenChoice& choice,
                        std::int64_t position, std::int64_t first_not_finite = kLength) {
  std::vector<float> all;
  for (const Row& row : rows) all.insert(all.end(), row.begin(), row.end());
  const DeviceBuffer<float> logits(all);
  const DeviceBuffer<std::int64_t> device_position(std::vector<std::int64_t>{position});
  const DeviceBuffer<std::uint8_t> tokens(
      std::vector<std::uint8_t>(rows.size() * kLength, kUnwritten));
  const DeviceBuffer<std::int64_t> not_finite(
      std::vector<std::int64_t>(rows.size(), first_not_finite));
  expect_success(launch_token_choice({.batch = std::ssize(rows),
                                      .length = kLength,
                                      .logits = logits.data(),
                                      .temperature = choice.temperature,
                                      .top_p = choice.top_p,
                                      .top_k = static_cast<std::int32_t>(choice.top_k),
                                      .seed = kSeed,
                                      .first_sample = kFirstSample,
                                      .position = device_position.data(),
                                      .tokens = tokens.data(),
                                      .not_finite = not_finite.data()},
                                     nullptr));
  return {tokens.read(), not_finite.read()};
}

std::uint8_t choose_on_host(const Row& row, const TokenChoice& choice, std::size_t sequence,
                            std::int64_t position) {
  const std::vector<double> logits(row.begin(), row.end());
  const auto sample = kFirstSample + static_cast<std::int64_t>(sequence);
  return token_at(token_probabilities(std::span<const double, 256>(logits), choice),
                  token_uniform(kSeed, sample, position));
}

void expect_equal(const std::vector<Row>& rows, const TokenChoice& choice, std::int64_t position) {
  SCOPED_TRACE("temperature " + std::to_string(choice.temperature) + ", top-k " +
               std::to_string(choice.top_k) + ", top-p " + std::to_string(choice.top_p));
  const Chosen chosen = choose_on_device(rows, choice, position);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::int64_t t = 0; t < kLength; ++t) {
      const std::uint8_t expected =
          t == position ? choose_on_host(rows[i], choice, i, position) : kUnwritten;
      EXPECT_EQ(chosen.tokens[i * kLength + static_cast<std::size_t>(t)], expected)
          << i << ' ' << t;
    }
    EXPECT_EQ(chosen.not_finite[i], kLength);
  }
}

std::vector<TokenChoice> choices() {
  std::vector<TokenChoice> all;
  for (const double temperature : {0.0, 1e-3, 0.7}) {
    for (const std::int64_t top_k : {0, 1, 40}) {
      for (const double top_p : {1.0, 0.75, 1e-9}) all.push_back({temperature, top_k, top_p});
    }
  }
  return all;
}

TEST(TokenChoiceKernel, ChoosesTheTokensOfTheHostForRandomLogits) {
  RandomNumbers random(1);
  std::int64_t position = 0;
  for (const TokenChoice& choice : choices()) {
    expect_equal({random.normal(256, 0.1), random.normal(256), random.normal(256, 100)}, choice,
                 position++ % kLength);
  }
}

// Ties, where the lower token comes first, what would be one in float32, and shares that are met
// exactly.
TEST(TokenChoiceKernel, ChoosesTheTokensOfTheHostForAdversarialLogits) {
  RandomNumbers random(2);
  Row small_steps(256), thirds(256), bits(256), huge = random.normal(256, 1e38);
  for (std::size_t i = 0; i < 256; ++i) {
    small_steps[i] = static_cast<float>(i) * 1e-9F;
    thirds[i] = static_cast<float>(i * i % 3) * 0.1F;
    bits[i] = static_cast<float>(i * 7 % 5 % 2);
    huge[i] = std::clamp(huge[i], -kLargest, kLargest);
  }
  Row quarters(256, -1e30F);
  std::fill_n(quarters.begin() + 100, 4, 0.0F);
  const std::vector<Row> rows = {
      small_steps,        thirds, bits, huge, quarters, Row(256, 0.0F), Row(256, 1e-45F),
      Row(256, -kLargest)};
  std::int64_t position = 0;
  for (const TokenChoice& choice : choices()) expect_equal(rows, choice, position++ % kLength);
}

TEST(TokenChoiceKernel, SaysWhereLogitsAreNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity}) {
    RandomNumbers random(3);
    std::vector<Row> rows = {random.normal(256), random.normal(256), random.normal(256)};
    rows[1][200] = bad;
    const Chosen chosen = choose_on_device(rows, {}, 4);
    EXPECT_EQ(chosen.not_finite, (std::vector<std::int64_t>{kLength, 4, kLength}));
    EXPECT_EQ(chosen.tokens[4], choose_on_host(rows[0], {}, 0, 4));
    EXPECT_EQ(chosen.tokens[kLength + 4], kUnwritten);
    EXPECT_EQ(chosen.tokens[2 * kLength + 4], choose_on_host(rows[2], {}, 2, 4));
    const Chosen later = choose_on_device(rows, {}, 4, 2);
    EXPECT_EQ(later.not_finite, (std::vector<std::int64_t>{2, 2, 2})) << "not the first";
  }
}

}  // namespace
}  // namespace sparse_transformer
