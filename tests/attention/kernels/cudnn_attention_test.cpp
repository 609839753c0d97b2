#include "attention/kernels/cudnn_attention.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "runtime/device.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kNone = kUnbounded;
constexpr double kScale = 0.3;

bool is_in_this_build() { return banded_cudnn_serves(at::kHalf, 64, 64, 64, 64, {}); }

TEST(BandedCudnn, ServesHalfPrecisionInEveryBandButWindowsOnFewerKeys) {
  if (!is_in_this_build()) GTEST_SKIP() << "no front end of cuDNN's in this build";
  const auto serves = [](std::int64_t queries, std::int64_t keys, BandMask mask) {
    return banded_cudnn_serves(at::kBFloat16, 64, 64, queries, keys, mask);
  };
  EXPECT_TRUE(serves(64, 64, {kNone, 0}));
  EXPECT_TRUE(serves(64, 40, {kNone, 0}));
  EXPECT_TRUE(serves(64, 64, {16, 0}));
  EXPECT_TRUE(serves(64, 70, {16, 5}));
  EXPECT_FALSE(serves(64, 60, {16, 0}));
  EXPECT_FALSE(serves(64, 1, {}));
  EXPECT_FALSE(banded_cudnn_serves(at::kFloat, 64, 64, 64, 64, {}));
  EXPECT_FALSE(banded_cudnn_serves(at::kHalf, 60, 64, 64, 64, {}));
  EXPECT_FALSE(banded_cudnn_serves(at::kHalf, 64, 136, 64, 64, {}));
}

struct BandedCase {
  std::int64_t queries, keys, query_width, value_width;
  BandMask mask;
};

/// Lengths that fill tiles and that do not, short of one and of several, bands of every kind. Every
/// query has a key.
std::vector<BandedCase> banded_cases() {
  return {
      {128, 128, 64, 64, {kNone, kNone}}, {97, 96, 8, 16, {kNone, kNone}},
      {3, 7, 16, 16, {kNone, kNone}},     {2, 2, 16, 16, {kNone, 0}},
      {49, 97, 64, 64, {kNone, 0}},       {130, 40, 32, 32, {kNone, 0}},
      {1000, 1000, 128, 128, {kNone, 0}}, {60, 60, 8, 8, {kNone, 3}},
      {128, 128, 64, 64, {31, 0}},        {700, 700, 24, 40, {95, 0}},
      {95, 131, 64, 128, {48, 0}},        {255, 256, 64, 64, {0, kNone}},
      {96, 96, 16, 16, {0, 0}},           {300, 310, 64, 64, {60, 20}},
      {2100, 2100, 64, 64, {255, 0}},
  };
}

/// Queries, keys and values in place in packed tensors with more heads and positions than are used.
struct Tensors {
  Tensors(const BandedCase& c, at::ScalarType type) {
    at::manual_seed(5);
    const auto random = [&](std::int64_t length, std::int64_t width) {
      return at::randn({2, 2 * length, 3, width}, at::kFloat)
          .to(at::kCUDA, type)
          .slice(1, 1, 2 * length, 2)
          .narrow(2, 1, 2);
    };
    const std::int64_t packed = 2 * c.query_width + c.value_width;
    query = random(c.queries, packed).narrow(3, 0, c.query_width);
    const at::Tensor keys_and_values = random(c.keys, packed);
    key = keys_and_values.narrow(3, c.query_width, c.query_width);
    value = keys_and_values.narrow(3, 2 * c.query_width, c.value_width);
    d_out = random(c.queries, c.value_width);
  }
  at::Tensor query, key, value, d_out;
};

/// Of the largest number.
void expect_near(const at::Tensor& fast, const at::Tensor& exact, double tolerance,
                 const std::string& what) {
  const at::Tensor difference = (fast.to(at::kDouble) - exact).abs().max();
  EXPECT_LT((difference / exact.abs().max()).item<double>(), tolerance) << what;
}

void expect_equal_to_plain(const BandedCase& c, at::ScalarType type, double tolerance) {
  const Tensors x(c, type);
  const at::Tensor query = x.query.to(at::kDouble);
  const at::Tensor key = x.key.to(at::kDouble);
  const at::Tensor value = x.value.to(at::kDouble);
  const BandedOutput plain = banded_forward_plain(query, key, value, c.mask, kScale);
  const BandedOutput fast = banded_forward_cudnn(x.query, x.key, x.value, c.mask, kScale);
  expect_near(fast.out, plain.out, tolerance, "out");
  expect_near(fast.lse, plain.lse, 1e-4, "lse");

  // As within a union: more weight elsewhere, and one query without any.
  const at::Tensor lse = plain.lse + 0.5;
  lse.select(1, c.queries / 2).fill_(std::numeric_limits<double>::infinity());
  const BandedGradients d_plain = banded_backward_plain(x.d_out.to(at::kDouble), query, key, value,
                                                        plain.out, lse, c.mask, kScale);
  const BandedGradients d = banded_backward_cudnn(
      x.d_out, x.query, x.key, x.value, plain.out.to(type), lse.to(at::kFloat), c.mask, kScale);
  expect_near(d.d_query, d_plain.d_query, tolerance, "d_query");
  expect_near(d.d_key, d_plain.d_key, tolerance, "d_key");
  expect_near(d.d_value, d_plain.d_value, tolerance, "d_value");
}

void expect_equal_to_plain(at::ScalarType type, double tolerance) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  if (!is_in_this_build()) GTEST_SKIP() << "no front end of cuDNN's in this build";
  for (const BandedCase& c : banded_cases()) {
    SCOPED_TRACE(std::to_string(c.queries) + " queries, " + std::to_string(c.keys) +
                 " keys, widths " + std::to_string(c.query_width) + " and " +
                 std::to_string(c.value_width) + ", band " + std::to_string(c.mask.left) + " " +
                 std::to_string(c.mask.right));
    expect_equal_to_plain(c, type, tolerance);
  }
}

TEST(BandedCudnn, EqualsPlainProductsOnCudaInBfloat16) {
  expect_equal_to_plain(at::kBFloat16, 2e-2);
}

TEST(BandedCudnn, EqualsPlainProductsOnCudaInFloat16) { expect_equal_to_plain(at::kHalf, 3e-3); }

/// As training asks for it.
TEST(BandedCudnn, RepeatsBitForBitOnCuda) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  if (!is_in_this_build()) GTEST_SKIP() << "no front end of cuDNN's in this build";
  take_repeatable_kernels(true);
  for (const BandMask mask : {BandMask{kNone, 0}, BandMask{500, 0}}) {
    const Tensors x({3000, 3000, 64, 64, mask}, at::kBFloat16);
    const BandedOutput result = banded_forward_cudnn(x.query, x.key, x.value, mask, kScale);
    const auto gradients = [&] {
      return banded_backward_cudnn(x.d_out, x.query, x.key, x.value, result.out, result.lse, mask,
                                   kScale);
    };
    const BandedGradients once = gradients();
    for (int again = 0; again < 3; ++again) {
      const BandedGradients d = gradients();
      EXPECT_TRUE(at::equal(d.d_query, once.d_query));
      EXPECT_TRUE(at::equal(d.d_key, once.d_key));
      EXPECT_TRUE(at::equal(d.d_value, once.d_value));
    }
  }
  take_repeatable_kernels(false);
}

}  // namespace
}  // namespace sparse_transformer
