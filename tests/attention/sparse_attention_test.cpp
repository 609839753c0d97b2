#include "attention/sparse_attention.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <functional>
#include <tuple>

#include "config/words.h"
#include "runtime/device.h"
#include "tests/attention/pattern_cases.h"

namespace sparse_transformer {
namespace {

std::int64_t padded(std::int64_t n, std::int64_t stride) {
  return (n + stride - 1) / stride * stride;
}

struct Result {
  at::Tensor out, d_packed;
};

HeadShape head_shape(std::int64_t query_width, std::int64_t value_width) {
  return {query_width, value_width, 1.0 / std::sqrt(static_cast<double>(query_width))};
}

template <typename Attention>
Result run(const Attention& attention, const at::Tensor& values, const at::Tensor& d_out,
           const LayerPattern& pattern) {
  const at::Tensor packed = values.detach().clone().requires_grad_(true);
  const std::int64_t value_width = d_out.size(3);
  const std::int64_t query_width = (values.size(3) - value_width) / 2;
  const at::Tensor out = attention(packed, pattern, head_shape(query_width, value_width));
  return {out.detach(), torch::autograd::grad({out}, {packed}, {d_out}).front()};
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

at::Tensor random(at::IntArrayRef sizes, at::ScalarType type) {
  return at::randn(sizes, at::TensorOptions().dtype(at::kDouble)).to(type);
}

void for_every_pattern(const std::function<void(const PatternCase&)>& check) {
  for (const PatternCase& c : pattern_cases()) {
    SCOPED_TRACE(case_name(c));
    check(c);
  }
}

auto with(Kernels kernels, KernelKind kernel = KernelKind::kOwn) {
  return [=](const at::Tensor& packed, const LayerPattern& pattern, const HeadShape& shape) {
    return sparse_attention(packed, pattern, shape, kernels, kernel);
  };
}

void expect_equal_to_reference(const PatternCase& c, std::int64_t n, at::ScalarType type,
                               double tolerance, Kernels kernels = Kernels::kFused) {
  at::manual_seed(7);
  const LayerPattern pattern = layer_of(c);
  for (const auto& [batch, query_width, value_width] :
       {std::tuple{3, 8, 8}, std::tuple{1, 20, 20}, std::tuple{2, 4, 19}}) {
    const at::Tensor packed = random({batch, n, c.heads, 2 * query_width + value_width}, type);
    const at::Tensor d_out = random({batch, n, c.heads, value_width}, type);
    const Result fast = run(with(kernels), packed, d_out, pattern);
    const Result plain =
        run(sparse_attention_reference, packed.to(at::kDouble), d_out.to(at::kDouble), pattern);
    EXPECT_LT(largest_difference(fast.out, plain.out), tolerance);
    EXPECT_LT(largest_difference(fast.d_packed, plain.d_packed), tolerance);
  }
}

TEST(EveryPattern, EqualsMaskedDenseAttentionInFloat64) {
  for_every_pattern([](const PatternCase& c) {
    expect_equal_to_reference(c, padded(c.n, c.stride), at::kDouble, 1e-12);
  });
}

TEST(EveryPattern, EqualsMaskedDenseAttentionByPlainOperations) {
  for_every_pattern([](const PatternCase& c) {
    expect_equal_to_reference(c, padded(c.n, c.stride), at::kDouble, 1e-12, Kernels::kPlain);
    expect_equal_to_reference(c, c.n / 2 + 1, at::kDouble, 1e-12, Kernels::kPlain);
  });
}

TEST(EveryPattern, EqualsMaskedDenseAttentionInFloat32) {
  for_every_pattern([](const PatternCase& c) {
    expect_equal_to_reference(c, padded(c.n, c.stride), at::kFloat, 1e-5);
  });
}

// No row or segment needs to be whole, and a sequence may be shorter than those that a pattern was
// made for.
TEST(EveryPattern, ServesSequencesOfAnyLength) {
  for_every_pattern([](const PatternCase& c) {
    if (c.n > 100) return;  // the shorter ones leave as much over
    for (const std::int64_t n : {c.n, c.n / 2 + 1, std::int64_t{1}}) {
      expect_equal_to_reference(c, n, at::kDouble, 1e-12);
    }
  });
}

// Error to float64 at most twice that of plain code in the same type, plus a rounding floor.
void expect_exact_in_half(const PatternCase& c, at::ScalarType type, double rounding_floor,
                          at::Device device = at::kCPU, std::int64_t value_width = 8,
                          KernelKind kernel = KernelKind::kOwn) {
  at::manual_seed(7);
  const LayerPattern pattern = layer_of(c);
  const at::Tensor packed =
      random({2, padded(c.n, c.stride), c.heads, 16 + value_width}, type).to(device);
  const at::Tensor d_out = random({2, packed.size(1), c.heads, value_width}, type).to(device);
  const Result fast = run(with(Kernels::kFused, kernel), packed, d_out, pattern);
  const Result plain = run(sparse_attention_reference, packed, d_out, pattern);
  const Result exact =
      run(sparse_attention_reference, packed.to(at::kDouble), d_out.to(at::kDouble), pattern);
  EXPECT_LT(largest_difference(fast.out, exact.out),
            2 * largest_difference(plain.out, exact.out) + rounding_floor);
  EXPECT_LT(largest_difference(fast.d_packed, exact.d_packed),
            2 * largest_difference(plain.d_packed, exact.d_packed) + rounding_floor);
}

TEST(EveryPattern, IsAsExactAsPlainCodeInBfloat16) {
  for_every_pattern([](const PatternCase& c) { expect_exact_in_half(c, at::kBFloat16, 2e-2); });
}

TEST(EveryPattern, IsAsExactAsPlainCodeInFloat16) {
  for_every_pattern([](const PatternCase& c) { expect_exact_in_half(c, at::kHalf, 3e-3); });
}

// Queries of one width with values and not.
TEST(EveryPattern, IsAsExactAsPlainCodeOnCudaByEveryKernel) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  for (const KernelKind kernel : {KernelKind::kOwn, KernelKind::kFlash}) {
    SCOPED_TRACE(word_of(kKernelKindWords, kernel));
    for_every_pattern([kernel](const PatternCase& c) {
      expect_exact_in_half(c, at::kBFloat16, 2e-2, at::kCUDA, 8, kernel);
      expect_exact_in_half(c, at::kHalf, 3e-3, at::kCUDA, 16, kernel);
    });
  }
}

// As training asks for it (take_repeatable_kernels).
TEST(EveryPattern, RepeatsBitForBitOnCudaByEveryKernel) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  take_repeatable_kernels(true);
  const PatternCase c{{"local+column"}, 3072, 96, 2, 4};
  at::manual_seed(7);
  const LayerPattern pattern = layer_of(c);
  const at::Tensor packed = random({2, c.n, c.heads, 192}, at::kBFloat16).to(at::kCUDA);
  const at::Tensor d_out = random({2, c.n, c.heads, 64}, at::kBFloat16).to(at::kCUDA);
  for (const KernelKind kernel : {KernelKind::kOwn, KernelKind::kFlash}) {
    SCOPED_TRACE(word_of(kKernelKindWords, kernel));
    const auto attention = with(Kernels::kFused, kernel);
    const Result once = run(attention, packed, d_out, pattern);
    for (int again = 0; again < 3; ++again) {
      EXPECT_TRUE(at::equal(run(attention, packed, d_out, pattern).d_packed, once.d_packed));
    }
  }
  take_repeatable_kernels(false);
}

void expect_no_leak(const PatternCase& c) {
  at::manual_seed(7);
  const LayerPattern pattern = layer_of(c);
  const at::Tensor packed = random({1, padded(c.n, c.stride), c.heads, 24}, at::kFloat);
  const at::Tensor before = sparse_attention(packed, pattern, head_shape(8, 8));
  for (const std::int64_t t : {std::int64_t{0}, c.n / 3, c.n / 2, c.n - 1}) {
    at::Tensor changed = packed.clone();
    changed.select(1, t).add_(1.0);
    const at::Tensor difference =
        (sparse_attention(changed, pattern, head_shape(8, 8)) - before).abs().amax({0, 3});
    EXPECT_EQ(difference.narrow(0, 0, t).sum().item<double>(), 0.0) << "position " << t;
    for (std::int64_t head = 0; head < c.heads; ++head) {
      for (std::int64_t i = t; i < c.n; ++i) {
        // Position t itself moves by its query too, if that has a choice between keys.
        std::int64_t earlier_keys = 0;
        for (std::int64_t j = 0; i == t && j < i; ++j) earlier_keys += sees(c, head, i, j) ? 1 : 0;
        const bool expected = sees(c, head, i, t) || earlier_keys > 1;
        const bool moved = difference[i][head].item<double>() > 0;
        if (i != t || moved != expected) {
          EXPECT_EQ(moved, expected) << "position " << t << " seen from " << i << ", head " << head;
        }
      }
    }
  }
}

TEST(EveryPattern, ChangingAPositionMovesNothingBeforeItAndEveryHeadThatSeesIt) {
  for_every_pattern(expect_no_leak);
}

void expect_repeatable(const PatternCase& c) {
  at::manual_seed(7);
  const LayerPattern pattern = layer_of(c);
  const at::Tensor packed = random({2, padded(c.n, c.stride), c.heads, 24}, at::kFloat);
  const at::Tensor d_out = random({2, packed.size(1), c.heads, 8}, at::kFloat);
  const Result once = run(with(Kernels::kFused), packed, d_out, pattern);
  const Result again = run(with(Kernels::kFused), packed, d_out, pattern);
  EXPECT_TRUE(at::equal(once.out, again.out));
  EXPECT_TRUE(at::equal(once.d_packed, again.d_packed));
}

TEST(EveryPattern, RepeatsBitForBit) { for_every_pattern(expect_repeatable); }

}  // namespace
}  // namespace sparse_transformer
