#include "model/token_loss.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>

#include "config/words.h"

namespace sparse_transformer {
namespace {

struct Results {
  at::Tensor nats, sum, d_logits;
};

/// From the definition, in float64.
Results exact(const at::Tensor& logits, const at::Tensor& tokens) {
  const at::Tensor x = logits.detach().cpu().to(at::kDouble);
  const at::Tensor index = tokens.cpu().to(at::kLong).unsqueeze(-1);
  const at::Tensor probabilities = x.softmax(-1);
  const at::Tensor nats = -probabilities.gather(-1, index).log().squeeze(-1);
  const at::Tensor chosen = at::zeros_like(x).scatter(-1, index, 1.0);
  return {nats, nats.sum(), probabilities - chosen};
}

/// The gradient is that of -3 times the sum, over -3.
Results run(const at::Tensor& logits, const at::Tensor& tokens, Kernels kernels) {
  const at::Tensor x = logits.detach().requires_grad_(true);
  const at::Tensor sum = token_loss(x, tokens, kernels);
  const at::Tensor d_logits = torch::autograd::grad({-3.0 * sum}, {x})[0] / -3.0;
  return {token_nats(x, tokens, kernels), sum.detach(), d_logits};
}

void expect_exact(const at::Tensor& logits, const at::Tensor& tokens, double tolerance) {
  const Results plain = exact(logits, tokens);
  for (const Kernels kernels : {Kernels::kFused, Kernels::kPlain}) {
    SCOPED_TRACE(word_of(kKernelsWords, kernels));
    const Results results = run(logits, tokens, kernels);
    EXPECT_FALSE(results.nats.requires_grad());
    const auto expect_close = [&](const at::Tensor& x, const at::Tensor& expected) {
      EXPECT_EQ(x.sizes(), expected.sizes());
      EXPECT_TRUE(at::allclose(x.cpu().to(at::kDouble), expected, tolerance, tolerance));
    };
    expect_close(results.nats, plain.nats);
    expect_close(results.sum, plain.sum);
    expect_close(results.d_logits, plain.d_logits);
  }
}

at::Tensor random_logits(at::IntArrayRef sizes, at::ScalarType type) {
  return (2.0 * at::randn(sizes, at::kDouble)).to(type);
}

at::Tensor random_tokens(at::IntArrayRef sizes) { return at::randint(0, 256, sizes, at::kByte); }

TEST(TokenLoss, IsTheCrossEntropy) {
  at::manual_seed(2);
  for (const auto& [type, tolerance] : {std::pair(at::kDouble, 1e-12), {at::kFloat, 3e-6}}) {
    expect_exact(random_logits({3, 50, 256}, type), random_tokens({3, 50}), tolerance);
    expect_exact(random_logits({300, 256}, type), random_tokens({300}), tolerance);
    expect_exact(random_logits({1, 1, 256}, type), random_tokens({1, 1}), tolerance);
  }
}

TEST(TokenLoss, TakesViews) {
  at::manual_seed(2);
  expect_exact(random_logits({3, 10, 256}, at::kFloat).narrow(1, 2, 5),
               random_tokens({3, 10}).narrow(1, 2, 5), 3e-6);
}

TEST(TokenLoss, LargeLogitsAreFinite) {
  at::manual_seed(2);
  const at::Tensor logits = random_logits({4, 256}, at::kDouble);
  logits[0][3] = 1e4;
  logits[1] -= 1e4;
  logits[2] += 1e4;
  logits[3][200] = -std::numeric_limits<double>::infinity();
  expect_exact(logits, at::tensor({3, 4, 255, 0}, at::kByte), 1e-9);
  const at::Tensor unlikely = at::tensor({4}, at::kByte);
  EXPECT_NEAR(token_nats(logits.narrow(0, 0, 1), unlikely, Kernels::kFused).item<double>(),
              (1e4 - logits[0][4]).item<double>(), 1e-9);
}

TEST(TokenLoss, NotANumberIsPassedOn) {
  at::manual_seed(2);
  for (const std::int64_t column : {0, 77, 255}) {
    const at::Tensor logits = random_logits({3, 256}, at::kFloat);
    logits[1][column] = std::numeric_limits<double>::quiet_NaN();
    const Results fused = run(logits, random_tokens({3}), Kernels::kFused);
    EXPECT_TRUE(fused.sum.isnan().item<bool>());
    EXPECT_TRUE(fused.d_logits[1].isnan().all().item<bool>());
    EXPECT_TRUE(fused.nats[0].isfinite().item<bool>());
    EXPECT_TRUE(fused.d_logits[2].isfinite().all().item<bool>());
  }
}

// What each set of instructions computes, not only the best one's.
TEST(TokenLoss, EveryInstructionSetComputesTheSame) {
  at::manual_seed(2);
  const at::Tensor logits = random_logits({7, 256}, at::kDouble);
  const at::Tensor tokens = random_tokens({7});
  const Results plain = exact(logits, tokens);
  for (const LossInstructionSet* instructions : loss_instruction_sets()) {
    SCOPED_TRACE(instructions->name);
    const at::Tensor nats = at::empty_like(plain.nats);
    const at::Tensor lse = at::empty_like(nats);
    const at::Tensor d_logits = at::empty_like(logits);
    const LossRows<double> loss = {.logits = logits.const_data_ptr<double>(),
                                   .tokens = tokens.const_data_ptr<std::uint8_t>(),
                                   .lse = lse.data_ptr<double>()};
    instructions->float64.nats(loss, {0, 7}, nats.data_ptr<double>());
    instructions->float64.gradient(loss, {0, 7}, 1.0, d_logits.data_ptr<double>());
    EXPECT_TRUE(at::allclose(nats, plain.nats, 1e-12, 1e-12));
    EXPECT_TRUE(at::allclose(d_logits, plain.d_logits, 1e-12, 1e-12));
  }
}

TEST(TokenLoss, TheNumberOfThreadsChangesNoBit) {
  at::manual_seed(2);
  const at::Tensor logits = random_logits({70000, 256}, at::kFloat);
  const at::Tensor tokens = random_tokens({70000});
  at::set_num_threads(1);
  const Results one = run(logits, tokens, Kernels::kFused);
  at::set_num_threads(2);
  const Results two = run(logits, tokens, Kernels::kFused);
  EXPECT_TRUE(at::equal(one.sum, two.sum));
  EXPECT_TRUE(at::equal(one.d_logits, two.d_logits));
}

class TokenLossCuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
    at::manual_seed(2);
  }
};

TEST_F(TokenLossCuda, IsTheCrossEntropy) {
  for (const std::int64_t length : {1, 50, 12289}) {
    expect_exact(random_logits({2, length, 256}, at::kFloat).to(at::kCUDA),
                 random_tokens({2, length}).to(at::kCUDA), 1e-5);
  }
}

TEST_F(TokenLossCuda, RepeatsBitForBit) {
  const at::Tensor logits = random_logits({4, 12288, 256}, at::kFloat).to(at::kCUDA);
  const at::Tensor tokens = random_tokens({4, 12288}).to(at::kCUDA);
  const Results once = run(logits, tokens, Kernels::kFused);
  const Results again = run(logits, tokens, Kernels::kFused);
  EXPECT_TRUE(at::equal(once.sum, again.sum));
  EXPECT_TRUE(at::equal(once.d_logits, again.d_logits));
}

}  // namespace
}  // namespace sparse_transformer
