// The CUDA kernel of choice.cuh, run block by block on the CPU (emulated_block.h).
#include "generation/kernels/choice.cuh"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "generation/token_choice.h"
#include "tests/runtime/cuda/emulated_block.h"

namespace sparse_transformer {
namespace {

constexpr std::uint64_t kSeed = 7;
constexpr std::int64_t kFirstSample = (std::int64_t{1} << 33) + 5;
constexpr std::int64_t kLength = 12;
constexpr std::uint8_t kUnwritten = 99;

struct Chosen {
  at::Tensor tokens;      // [batch, kLength]
  at::Tensor not_finite;  // [batch]
};

/// logits: [batch, 256] float32.
Chosen choose_on_device(const at::Tensor& logits, const TokenChoice& choice, std::int64_t position,
                        Order order = Order::kForwards) {
  const std::int64_t batch = logits.size(0);
  const Chosen chosen = {at::full({batch, kLength}, kUnwritten, at::kByte),
                         at::full({batch}, kLength, at::kLong)};
  const ChoiceCall call = {.batch = batch,
                           .length = kLength,
                           .logits = logits.const_data_ptr<float>(),
                           .temperature = choice.temperature,
                           .top_p = choice.top_p,
                           .top_k = static_cast<std::int32_t>(choice.top_k),
                           .seed = kSeed,
                           .first_sample = kFirstSample,
                           .position = &position,
                           .tokens = chosen.tokens.mutable_data_ptr<std::uint8_t>(),
                           .not_finite = chosen.not_finite.mutable_data_ptr<std::int64_t>()};
  EmulatedBlock(choice_kernels::kTokens, sizeof(choice_kernels::ChoiceMemory), order,
                Arrival::kWhenAwaited)
      .run(batch, [&](EmulatedThread& thread, std::int64_t block, std::uint16_t* shared) {
        choice_kernels::choose(thread, block, call,
                               *reinterpret_cast<choice_kernels::ChoiceMemory*>(shared));
      });
  return chosen;
}

std::uint8_t choose_on_host(const at::Tensor& logits, const TokenChoice& choice,
                            std::int64_t sequence, std::int64_t position) {
  const at::Tensor row = logits[sequence].to(at::kDouble).contiguous();
  return token_at(
      token_probabilities(std::span<const double, 256>(row.const_data_ptr<double>(), 256), choice),
      token_uniform(kSeed, kFirstSample + sequence, position));
}

void expect_equal(const at::Tensor& logits, const TokenChoice& choice, std::int64_t position) {
  SCOPED_TRACE("temperature " + std::to_string(choice.temperature) + ", top-k " +
               std::to_string(choice.top_k) + ", top-p " + std::to_string(choice.top_p));
  const Chosen chosen = choose_on_device(logits, choice, position);
  const at::Tensor expected = at::full_like(chosen.tokens, kUnwritten);
  for (std::int64_t i = 0; i < logits.size(0); ++i) {
    expected[i][position] = choose_on_host(logits, choice, i, position);
  }
  EXPECT_TRUE(at::equal(chosen.tokens, expected));
  EXPECT_TRUE(chosen.not_finite.eq(kLength).all().item<bool>());
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

TEST(ChoiceKernel, ChoosesTheTokensOfTheHostForRandomLogits) {
  at::manual_seed(1);
  std::int64_t position = 0;
  for (const TokenChoice& choice : choices()) {
    const at::Tensor scales = at::logspace(-1.0, 2.0, 4).view({4, 1});
    expect_equal(at::randn({4, 256}) * scales, choice, position++ % kLength);
  }
}

// Ties, where the lower token comes first, and shares that are met exactly.
TEST(ChoiceKernel, ChoosesTheTokensOfTheHostForAdversarialLogits) {
  at::manual_seed(2);
  const float large = std::numeric_limits<float>::max();
  std::vector<at::Tensor> rows = {at::zeros({256}),
                                  at::randint(2, {256}).to(at::kFloat),
                                  at::randint(3, {256}) * 0.1,
                                  at::full({256}, -large),
                                  at::randn({256}) * large,
                                  at::full({256}, 1e-45)};
  rows.push_back(at::full({256}, -1e30));
  rows.back().narrow(0, 100, 4).fill_(0.0);  // four equal ones: quarters
  rows.push_back(rows.back().flip(0));
  rows.push_back(at::arange(256) * 1e-7);
  for (at::Tensor& row : rows) row = row.to(at::kFloat).clamp(-large, large);
  const at::Tensor logits = at::stack(rows);
  std::int64_t position = 0;
  for (const TokenChoice& choice : choices()) {
    expect_equal(logits, choice, position++ % kLength);
  }
}

TEST(ChoiceKernel, SaysWhereLogitsAreNotFinite) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    at::manual_seed(3);
    const at::Tensor logits = at::randn({3, 256});
    logits[1][200] = bad;
    const Chosen chosen = choose_on_device(logits, {}, 4);
    EXPECT_TRUE(at::equal(chosen.not_finite, at::tensor({kLength, std::int64_t{4}, kLength})));
    EXPECT_EQ(chosen.tokens[0][4].item<int>(), choose_on_host(logits, {}, 0, 4));
    EXPECT_EQ(chosen.tokens[1][4].item<int>(), kUnwritten);
    EXPECT_EQ(chosen.tokens[2][4].item<int>(), choose_on_host(logits, {}, 2, 4));
  }
}

// A race between threads gives other tokens when they run in another order.
TEST(ChoiceKernel, TheOrderOfThreadsChangesNothing) {
  at::manual_seed(4);
  const at::Tensor logits = at::randn({8, 256});
  const TokenChoice choice = {.temperature = 0.9, .top_k = 100, .top_p = 0.9};
  EXPECT_TRUE(at::equal(choose_on_device(logits, choice, 3).tokens,
                        choose_on_device(logits, choice, 3, Order::kBackwards).tokens));
}

}  // namespace
}  // namespace sparse_transformer
