#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "attention/kernels/banded_fused.h"

namespace sparse_transformer {
namespace {

struct BandedCase {
  std::int64_t queries, keys, query_width, value_width;
  BandMask mask;
};

/// Lengths below, at and beyond a block, widths that fill registers and that do not, bands of every
/// kind. Every query has a key.
std::vector<BandedCase> banded_cases() {
  const std::int64_t none = kUnbounded;
  return {
      {1, 1, 8, 8, {none, 0}},
      {16, 16, 8, 8, {none, 0}},
      {96, 96, 64, 64, {none, 0}},
      {97, 193, 5, 3, {none, 96}},
      {230, 230, 16, 32, {none, 0}},
      {100, 100, 20, 20, {7, 0}},
      {200, 200, 32, 64, {96, 0}},
      {193, 192, 8, 17, {none, none}},
      {96, 96, 8, 8, {95, 95}},
      {33, 70, 64, 128, {0, 0}},
      {60, 60, 1, 1, {none, 3}},
      {95, 95, 12, 12, {none, 0}},
      {40, 120, 8, 8, {-20, none}},
      {150, 150, 8, 8, {60, 0}},
      {64, 64, 24, 40, {5, 9}},
      // Blocks that meet an odd number of keys.
      {300, 301, 16, 16, {40, 7}},
      // Several rounds of blocks, the last of them not full.
      {800, 820, 40, 24, {430, 30}},
      // Several stretches of queries, whose keys overlap.
      {2500, 2500, 4, 4, {70, 20}},
      {2350, 2449, 4, 4, {0, 99}},
      {2500, 2400, 4, 4, {120, 0}},
      // A window that is wider than the shortest stretch.
      {2500, 2500, 4, 4, {1500, 0}},
  };
}

struct Tensors {
  Tensors(const BandedCase& c, at::ScalarType type) {
    at::manual_seed(5);
    const auto random = [&](std::int64_t length, std::int64_t width) {
      // Heads and channels around the ones used: strides are not those of a dense tensor.
      return at::randn({2, length, 3, width + 2}, at::kDouble)
          .to(type)
          .narrow(3, 1, width)
          .narrow(2, 1, 2);
    };
    query = random(c.queries, c.query_width);
    key = random(c.keys, c.query_width);
    value = random(c.keys, c.value_width);
    d_out = random(c.queries, c.value_width);
  }
  at::Tensor query, key, value, d_out;
};

at::ScalarType sum_type(at::ScalarType type) { return type == at::kDouble ? type : at::kFloat; }

/// Memory for sums, as wide as `like`, in which nothing is a number.
at::Tensor unset(const at::Tensor& like) {
  return at::full_like(like, std::numeric_limits<double>::quiet_NaN(),
                       like.options().dtype(sum_type(like.scalar_type())));
}

BandedOutput forward(const Tensors& x, BandMask mask, double scale,
                     const InstructionSet& instructions) {
  const BandedOutput sum{unset(at::empty(x.d_out.sizes(), x.d_out.options())),
                         unset(x.d_out.select(3, 0))};
  add_banded_cpu(x.query, x.key, x.value, mask, scale, sum, Share::kFirst, instructions);
  return sum;
}

BandedGradients backward(const Tensors& x, const at::Tensor& out, const at::Tensor& lse,
                         BandMask mask, double scale, const InstructionSet& instructions) {
  const BandedGradients sum{unset(x.query), unset(x.key), unset(x.value)};
  add_banded_gradients_cpu(x.d_out, x.query, x.key, x.value, out, lse, mask, scale, sum,
                           Share::kFirst, instructions);
  return sum;
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

/// While it lives, memory that is about to be written holds no number.
class UnwrittenMemoryIsNan {
 public:
  UnwrittenMemoryIsNan() { set(true); }
  ~UnwrittenMemoryIsNan() { set(false); }
  UnwrittenMemoryIsNan(const UnwrittenMemoryIsNan&) = delete;
  UnwrittenMemoryIsNan& operator=(const UnwrittenMemoryIsNan&) = delete;

 private:
  static void set(bool filled) {
    at::globalContext().setDeterministicAlgorithms(filled, /*warn_only=*/true);
    at::globalContext().setDeterministicFillUninitializedMemory(filled);
  }
};

using Measure = double (*)(const at::Tensor& fast, const at::Tensor& plain);

/// |a - b| / |b| over all numbers; where b is 0 to within rounding (the softmax over one key has no
/// gradient), |a - b|.
double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  const double norm = b.norm().item<double>();
  return (a.to(at::kDouble) - b).norm().item<double>() / (norm > 1e-9 ? norm : 1.0);
}

/// Forward and backward of one case with every instruction set beside plain products in float64.
void expect_equal_to_plain(const BandedCase& c, at::ScalarType type, double tolerance,
                           Measure apart) {
  constexpr double kScale = 0.4;
  const Tensors x(c, type);
  const at::Tensor query = x.query.to(at::kDouble);
  const at::Tensor key = x.key.to(at::kDouble);
  const at::Tensor value = x.value.to(at::kDouble);
  const BandedOutput plain = banded_forward_plain(query, key, value, c.mask, kScale);
  // As within a union: more weight elsewhere, and one query without any.
  const at::Tensor lse = plain.lse + 0.5;
  lse.select(1, c.queries / 2).fill_(std::numeric_limits<double>::infinity());
  const BandedGradients d_plain = banded_backward_plain(x.d_out.to(at::kDouble), query, key, value,
                                                        plain.out, lse, c.mask, kScale);
  for (const InstructionSet* instructions : instruction_sets()) {
    SCOPED_TRACE(instructions->name);
    const UnwrittenMemoryIsNan unwritten;
    const BandedOutput fast = forward(x, c.mask, kScale, *instructions);
    EXPECT_LT(apart(fast.out, plain.out), tolerance);
    EXPECT_LT(apart(fast.lse, plain.lse), tolerance);
    const BandedGradients d =
        backward(x, plain.out.to(type), lse.to(sum_type(type)), c.mask, kScale, *instructions);
    EXPECT_LT(apart(d.d_query, d_plain.d_query), tolerance);
    EXPECT_LT(apart(d.d_key, d_plain.d_key), tolerance);
    EXPECT_LT(apart(d.d_value, d_plain.d_value), tolerance);
  }
}

void expect_equal_to_plain(at::ScalarType type, double tolerance, Measure apart = difference) {
  for (const BandedCase& c : banded_cases()) {
    SCOPED_TRACE(std::to_string(c.queries) + " queries, " + std::to_string(c.keys) +
                 " keys, widths " + std::to_string(c.query_width) + " and " +
                 std::to_string(c.value_width));
    expect_equal_to_plain(c, type, tolerance, apart);
  }
}

TEST(BandedCpu, EqualsPlainProductsInFloat64) { expect_equal_to_plain(at::kDouble, 1e-12); }

TEST(BandedCpu, EqualsPlainProductsInFloat32) { expect_equal_to_plain(at::kFloat, 2e-5); }

// Weights are rounded to 8 bits where products are of bfloat16, and the result of the forward pass
// always.
TEST(BandedCpu, IsAsExactAsBfloat16Is) {
  expect_equal_to_plain(at::kBFloat16, 1e-2, relative_difference);
}

// Scores far from zero, as a diverging model has them: no overflow, no NaN.
TEST(BandedCpu, LargeScoresStayFinite) {
  for (const InstructionSet* instructions : instruction_sets()) {
    const Tensors x({100, 100, 8, 8, {}}, at::kFloat);
    x.query.mul_(10);
    x.key.mul_(1000);
    const BandedOutput result = forward(x, {50, 0}, 1.0, *instructions);
    const BandedOutput plain = banded_forward_plain(x.query.to(at::kDouble), x.key.to(at::kDouble),
                                                    x.value.to(at::kDouble), {50, 0}, 1.0);
    EXPECT_LT(difference(result.out, plain.out), 1e-2);
    EXPECT_LT((difference(result.lse, plain.lse)), 1e-1);
    EXPECT_TRUE(result.out.isfinite().all().item<bool>());
  }
}

// The reference of the running softmax stays, follows a little late, or jumps.
TEST(BandedCpu, ScoresMayRiseOrFallAlongTheKeys) {
  for (const InstructionSet* instructions : instruction_sets()) {
    for (const double slope : {-3.0, -0.3, 0.05, 0.15, 0.3, 3.0}) {
      SCOPED_TRACE(slope);
      const Tensors x({300, 300, 8, 8, {}}, at::kDouble);
      x.query.fill_(0.125);
      x.key.add_(slope * at::arange(300, at::kDouble).reshape({1, 300, 1, 1}));
      const BandedOutput fast = forward(x, {200, 0}, 1.0, *instructions);
      const BandedOutput plain = banded_forward_plain(x.query, x.key, x.value, {200, 0}, 1.0);
      EXPECT_LT(difference(fast.out, plain.out), 1e-11);
      EXPECT_LT(difference(fast.lse, plain.lse), 1e-11);
    }
  }
}

TEST(BandedCpu, NotANumberIsPassedOnToThoseWhoSeeItOnly) {
  for (const InstructionSet* instructions : instruction_sets()) {
    const Tensors x({60, 60, 8, 8, {}}, at::kFloat);
    x.key.select(1, 30).fill_(std::numeric_limits<float>::quiet_NaN());
    const at::Tensor out = forward(x, {kUnbounded, 0}, 1.0, *instructions).out;
    EXPECT_TRUE(out.narrow(1, 0, 30).isfinite().all().item<bool>());
    EXPECT_TRUE(out.narrow(1, 30, 30).isnan().all().item<bool>());
  }
}

TEST(BandedCpu, TheNumberOfThreadsChangesNoBit) {
  // Long enough for several stretches of queries.
  const Tensors x({3000, 3000, 16, 16, {}}, at::kFloat);
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    const InstructionSet& best = *instruction_sets().front();
    const BandedOutput y = forward(x, {96, 0}, 0.25, best);
    return std::pair(y, backward(x, y.out, y.lse, {96, 0}, 0.25, best));
  };
  const auto [one, d_one] = run(1);
  const auto [two, d_two] = run(2);
  EXPECT_TRUE(at::equal(one.out, two.out));
  EXPECT_TRUE(at::equal(d_one.d_query, d_two.d_query));
  EXPECT_TRUE(at::equal(d_one.d_key, d_two.d_key));
  EXPECT_TRUE(at::equal(d_one.d_value, d_two.d_value));
}

// Keys added in two parts are the union of both; what is added to may lie anywhere.
TEST(BandedCpu, AddsToWhatIsThere) {
  for (const InstructionSet* instructions : instruction_sets()) {
    const Tensors x({100, 100, 8, 8, {}}, at::kDouble);
    const BandedOutput near = forward(x, {30, 0}, 0.4, *instructions);
    const BandedOutput whole = forward(x, {60, 0}, 0.4, *instructions);
    near.out.select(1, 5).zero_();  // a query without any key so far
    near.lse.select(1, 5).fill_(-std::numeric_limits<double>::infinity());
    add_banded_cpu(x.query, x.key, x.value, {60, -31}, 0.4, near, Share::kFurther, *instructions);
    EXPECT_LT(difference(near.out.narrow(1, 31, 69), whole.out.narrow(1, 31, 69)), 1e-12);
    EXPECT_LT(difference(near.lse.narrow(1, 31, 69), whole.lse.narrow(1, 31, 69)), 1e-12);
    EXPECT_EQ(near.out.select(1, 5).abs().max().item<double>(), 0.0);

    const BandedGradients once = backward(x, whole.out, whole.lse, {60, 0}, 0.4, *instructions);
    const BandedGradients twice = {once.d_query.clone(), once.d_key.clone(), once.d_value.clone()};
    add_banded_gradients_cpu(x.d_out, x.query, x.key, x.value, whole.out, whole.lse, {60, 0}, 0.4,
                             twice, Share::kFurther, *instructions);
    EXPECT_LT(difference(twice.d_query, 2 * once.d_query), 1e-12);
    EXPECT_LT(difference(twice.d_key, 2 * once.d_key), 1e-12);
    EXPECT_LT(difference(twice.d_value, 2 * once.d_value), 1e-12);
  }
}

}  // namespace
}  // namespace sparse_transformer
