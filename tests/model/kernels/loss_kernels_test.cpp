// The CUDA kernels of the loss, run block by block on the CPU (emulated_block.h).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "model/kernels/loss.cuh"
#include "tests/runtime/cuda/emulated_block.h"

namespace sparse_transformer {
namespace {

constexpr int kThreads = 64;
constexpr float kUnwritten = std::numeric_limits<float>::quiet_NaN();

struct Results {
  at::Tensor nats, d_logits;
};

/// logits: [rows, 256], tokens: [rows].
Results run(const at::Tensor& logits, const at::Tensor& tokens, double d_sum, Order order) {
  const std::int64_t rows = tokens.numel();
  const at::Tensor nats = at::full({rows}, kUnwritten);
  const at::Tensor lse = at::full({rows}, kUnwritten);
  const at::Tensor d_logits = at::full({rows, 256}, kUnwritten);
  const auto factor = static_cast<float>(d_sum);
  const LossRows<float> loss = {.logits = logits.const_data_ptr<float>(),
                                .tokens = tokens.const_data_ptr<std::uint8_t>(),
                                .lse = lse.data_ptr<float>()};
  const std::int64_t rows_a_block = kThreads / loss_kernels::kLanes;
  const std::int64_t blocks = (rows + rows_a_block - 1) / rows_a_block;
  EmulatedBlock emulated(kThreads, 0, order, Arrival::kAtOnce);
  emulated.run(blocks, [&](EmulatedThread& thread, std::int64_t block, std::uint16_t*) {
    loss_kernels::forward(thread, block, loss, rows, nats.data_ptr<float>());
  });
  emulated.run(blocks, [&](EmulatedThread& thread, std::int64_t block, std::uint16_t*) {
    loss_kernels::backward(thread, block, loss, rows, &factor, d_logits.data_ptr<float>());
  });
  return {nats, d_logits};
}

Results exact(const at::Tensor& logits, const at::Tensor& tokens, double d_sum) {
  const at::Tensor x = logits.to(at::kDouble).requires_grad_(true);
  const at::Tensor nats = at::cross_entropy_loss(x, tokens.to(at::kLong), {}, at::Reduction::None);
  (nats.sum() * d_sum).backward();
  return {nats.detach(), x.grad()};
}

void expect_exact(const at::Tensor& logits, const at::Tensor& tokens) {
  const Results plain = exact(logits, tokens, -0.75);
  for (const Order order : {Order::kForwards, Order::kBackwards}) {
    const Results fused = run(logits, tokens, -0.75, order);
    EXPECT_TRUE(at::allclose(fused.nats.to(at::kDouble), plain.nats, 1e-6, 1e-5));
    EXPECT_TRUE(at::allclose(fused.d_logits.to(at::kDouble), plain.d_logits, 1e-5, 1e-6));
  }
}

at::Tensor random_tokens(std::int64_t rows) { return at::randint(0, 256, {rows}, at::kByte); }

TEST(LossKernels, AreAsExactAsPlainCode) {
  at::manual_seed(5);
  for (const std::int64_t rows : {1, 2, 13}) {
    SCOPED_TRACE(rows);
    expect_exact(3.0 * at::randn({rows, 256}), random_tokens(rows));
  }
}

TEST(LossKernels, EveryTokenIsFound) {
  at::manual_seed(6);
  expect_exact(at::randn({256, 256}), at::arange(256, at::kByte));
}

TEST(LossKernels, LargeLogitsAreFinite) {
  at::manual_seed(7);
  const at::Tensor logits = at::randn({6, 256});
  logits[0][3] = 1e4;
  logits[1] -= 1e4;
  logits[2] += 1e4;
  logits[3][200] = -std::numeric_limits<float>::infinity();
  const at::Tensor tokens = at::tensor({3, 4, 255, 0, 31, 32}, at::kByte);
  const Results plain = exact(logits, tokens, 1.0);
  const Results fused = run(logits, tokens, 1.0, Order::kForwards);
  // Numbers near 1e4 have a thousandth for their last bit.
  EXPECT_TRUE(at::allclose(fused.nats.to(at::kDouble), plain.nats, 0.0, 2e-3));
  EXPECT_TRUE(at::allclose(fused.d_logits.to(at::kDouble), plain.d_logits, 2e-3, 1e-6));
}

TEST(LossKernels, NotANumberIsPassedOn) {
  at::manual_seed(8);
  for (const std::int64_t column : {0, 77, 255}) {
    const at::Tensor logits = at::randn({3, 256});
    logits[1][column] = kUnwritten;
    const Results fused = run(logits, random_tokens(3), 1.0, Order::kForwards);
    EXPECT_TRUE(fused.nats[1].isnan().item<bool>());
    EXPECT_TRUE(fused.d_logits[1].isnan().all().item<bool>());
    EXPECT_TRUE(fused.nats[0].isfinite().item<bool>());
    EXPECT_TRUE(fused.d_logits[2].isfinite().all().item<bool>());
  }
}

}  // namespace
}  // namespace sparse_transformer
