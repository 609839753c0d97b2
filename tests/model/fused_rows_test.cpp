#include "model/fused_rows.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <limits>

namespace sparse_transformer {
namespace {

/// Widths that fill registers and that do not; rows of one task and of several.
const std::vector<std::vector<std::int64_t>> kShapes = {
    {3, 40, 64}, {1, 1, 8}, {2, 150, 37}, {5, 3}};

/// Numbers that every type holds as they are.
at::Tensor random(at::IntArrayRef sizes, at::ScalarType type) {
  return at::randn(sizes, at::kDouble).to(at::kBFloat16).to(type).requires_grad_(true);
}

using Operation = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

struct Results {
  at::Tensor out;
  std::vector<at::Tensor> gradients;
};

/// With matrices of that type; vectors are float32 beside halves.
Results run(const Operation& operation, std::vector<at::Tensor> inputs, at::ScalarType type) {
  const at::ScalarType vector_type = at::isReducedFloatingType(type) ? at::kFloat : type;
  for (at::Tensor& x : inputs) {
    x = x.detach().to(x.dim() == 1 ? vector_type : type).requires_grad_(true);
  }
  const at::Tensor out = operation(inputs);
  at::manual_seed(11);
  const at::Tensor d_out = random(out.sizes(), type);
  return {out.detach(), torch::autograd::grad({out}, inputs, {d_out})};
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

/// Whether `rounded` is what `exact` is to the nearest bfloat16, but for errors of float32.
void expect_rounded_once(const at::Tensor& rounded, const at::Tensor& exact) {
  EXPECT_EQ(rounded.scalar_type(), at::kBFloat16);
  const at::Tensor apart = (rounded.to(at::kDouble) - exact).abs();
  constexpr double kHalfOfLastBit = 0x1p-8;
  EXPECT_LE((apart - kHalfOfLastBit * exact.abs()).max().item<double>(), 2e-5);
}

/// inputs: [..., width], then as many of [width] as `vectors` says.
void expect_equal(const Operation& fused, const Operation& plain, int matrices, int vectors) {
  for (const auto& shape : kShapes) {
    SCOPED_TRACE(shape.back());
    at::manual_seed(3);
    std::vector<at::Tensor> inputs;
    for (int i = 0; i < matrices; ++i) inputs.push_back(random(shape, at::kDouble));
    for (int i = 0; i < vectors; ++i) inputs.push_back(random({shape.back()}, at::kDouble));
    const Results exact = run(plain, inputs, at::kDouble);
    for (const auto& [type, tolerance] : {std::pair(at::kDouble, 1e-12), {at::kFloat, 2e-5}}) {
      const Results fast = run(fused, inputs, type);
      EXPECT_LT(difference(fast.out, exact.out), tolerance);
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        EXPECT_LT(difference(fast.gradients[i], exact.gradients[i]), tolerance) << "input " << i;
      }
    }
    const Results rounded = run(fused, inputs, at::kBFloat16);
    expect_rounded_once(rounded.out, exact.out);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      SCOPED_TRACE(i);
      if (inputs[i].dim() > 1) {
        expect_rounded_once(rounded.gradients[i], exact.gradients[i]);
      } else {
        EXPECT_LT(difference(rounded.gradients[i], exact.gradients[i]), 1e-4);
      }
    }
  }
}

TEST(FusedRows, NormPassesItsInputOn) {
  const auto both = [](const at::Tensor& passed, const at::Tensor& normed) {
    return at::cat({passed, normed});
  };
  const Operation fused = [&](const std::vector<at::Tensor>& x) {
    const auto [passed, normed] = pass_and_norm({x[1], x[2], 1e-5}, x[0]);
    return both(passed, normed);
  };
  const Operation plain = [&](const std::vector<at::Tensor>& x) {
    return both(x[0], at::layer_norm(x[0], {x[0].size(-1)}, x[1], x[2], 1e-5));
  };
  expect_equal(fused, plain, 1, 2);
}

TEST(FusedRows, ResidualIsASum) {
  const Operation fused = [](const std::vector<at::Tensor>& x) {
    return add_residual(x[0], x[1], x[2]);
  };
  const Operation plain = [](const std::vector<at::Tensor>& x) { return x[0] + x[1] + x[2]; };
  expect_equal(fused, plain, 2, 1);
}

TEST(FusedRows, ResidualDropsItsBranch) {
  const DropoutPlace place{.seed = 1, .step = 3, .first_sequence = 2, .site = 5};
  const Operation fused = [&](const std::vector<at::Tensor>& x) {
    return add_residual(x[0], x[1], x[2], 0.4, place);
  };
  const Operation plain = [&](const std::vector<at::Tensor>& x) {
    return x[0] + dropout(x[1] + x[2], 0.4, place, Kernels::kPlain);
  };
  expect_equal(fused, plain, 2, 1);
}

TEST(FusedRows, GeluEqualsItsDefinition) {
  const Operation fused = [](const std::vector<at::Tensor>& x) { return gelu(x[0], x[1]); };
  const Operation plain = [](const std::vector<at::Tensor>& x) {
    const at::Tensor u = x[0] + x[1];
    return u * at::sigmoid(1.702 * u);
  };
  expect_equal(fused, plain, 1, 1);
}

TEST(FusedRows, GeluOfLargeNumbersIsFinite) {
  const at::Tensor x = at::tensor({-1e4, -100.0, 0.0, 100.0, 1e4}).unsqueeze(0);
  const at::Tensor y = gelu(x, at::zeros({5}, x.options()));
  EXPECT_LT(difference(y, at::tensor({0.0, 0.0, 0.0, 100.0, 1e4}).unsqueeze(0)), 1e-30);
}

TEST(FusedRows, NotANumberIsPassedOn) {
  const at::Tensor one = at::ones({8});
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = at::zeros({2, 8}, type);
    x[1][3] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_TRUE(gelu(x, one)[1][3].isnan().item<bool>());
    const at::Tensor normed = pass_and_norm({one, one, 1e-5}, x).normed;
    EXPECT_TRUE(normed[1].isnan().all().item<bool>());
    EXPECT_TRUE(normed[0].isfinite().all().item<bool>());
  }
}

// Halfway between two numbers of bfloat16, just beside it, and where the next one is infinite.
TEST(FusedRows, RoundsToBfloat16AsLibTorchDoes) {
  const at::Tensor exact =
      at::tensor({1.0 + 0x1p-8, 1.0 + 0x3p-8, 1.0 + 0x1.0001p-8, 1.0 + 0x0.ffffp-8, -1.0 - 0x3p-8,
                  0x1.ffp127, 0x1.fefp127, -0x1.ffp127, 0x1p-130},
                 at::kFloat);
  const at::Tensor zero = at::zeros({1, 9}, at::kBFloat16);
  const at::Tensor rounded = add_residual(zero, zero, exact);
  EXPECT_TRUE(at::equal(rounded[0], exact.to(at::kBFloat16)));
  const at::Tensor all_bits_set = at::full({9}, 0x7fffffff, at::kInt).view(at::kFloat);
  EXPECT_TRUE(add_residual(zero, zero, all_bits_set).isnan().all().item<bool>());
}

// What each set of instructions computes, not only the best one's.
TEST(FusedRows, EveryInstructionSetComputesTheSame) {
  constexpr std::int64_t kRows = 5;
  constexpr std::int64_t kWidth = 45;
  at::manual_seed(9);
  const at::Tensor x = at::randn({kRows, kWidth}, at::kDouble);
  const at::Tensor d = at::randn({kRows, kWidth}, at::kDouble);
  const at::Tensor bias = at::randn({kWidth}, at::kDouble);
  const RowRange rows = {0, kRows};
  std::vector<at::Tensor> first;
  for (const RowInstructionSet* instructions : row_instruction_sets()) {
    SCOPED_TRACE(instructions->name);
    const RowKernels<double>& kernels = instructions->float64;
    const at::Tensor y = at::empty_like(x);
    const at::Tensor d_x = at::empty_like(x);
    const at::Tensor normed = at::empty_like(x);
    const at::Tensor d_normed = at::empty_like(x);
    const at::Tensor sums = at::zeros({3, kWidth}, at::kDouble);
    const at::Tensor mean = at::empty({kRows}, at::kDouble);
    const at::Tensor reciprocal = at::empty({kRows}, at::kDouble);
    const auto in = [](const at::Tensor& t) { return t.const_data_ptr<double>(); };
    const auto out = [](const at::Tensor& t) { return t.data_ptr<double>(); };
    kernels.gelu({kWidth, in(x), in(bias), out(y)}, rows);
    kernels.gelu_gradient({kWidth, in(x), in(bias), in(d), out(d_x)}, rows, out(sums[0]));
    kernels.norm({kWidth, 1e-5, in(x), in(bias), in(bias), out(normed), out(mean), out(reciprocal)},
                 rows);
    kernels.norm_gradient(
        {kWidth, in(x), in(bias), in(mean), in(reciprocal), in(d), in(y), out(d_normed)}, rows,
        out(sums[1]), out(sums[2]));
    const at::Tensor half = x.to(at::kBFloat16);
    const at::Tensor half_sum = at::empty_like(half);
    const at::Tensor half_bias = bias.to(at::kFloat);
    const auto* const halves = static_cast<const Bfloat16*>(half.const_data_ptr());
    auto* const half_sums = static_cast<Bfloat16*>(half_sum.data_ptr());
    constexpr RowMask kNothingDropped = {};
    instructions->bfloat16.residual(
        {kWidth, halves, halves, half_bias.const_data_ptr<float>(), half_sums, kNothingDropped},
        rows);
    const std::vector<at::Tensor> results = {y, d_x, normed, d_normed, sums, half_sum};
    if (first.empty()) first = results;
    for (std::size_t i = 0; i < results.size(); ++i) {
      EXPECT_LT(difference(results[i], first[i]), 1e-12) << "result " << i;
    }
  }
}

TEST(FusedRows, TheNumberOfThreadsChangesNoBit) {
  at::manual_seed(3);
  const at::Tensor x = random({1000, 24}, at::kFloat);
  const at::Tensor bias = random({24}, at::kFloat);
  const Operation fused = [](const std::vector<at::Tensor>& inputs) {
    return gelu(inputs[0], inputs[1]);
  };
  at::set_num_threads(1);
  const Results one = run(fused, {x, bias}, at::kFloat);
  at::set_num_threads(2);
  const Results two = run(fused, {x, bias}, at::kFloat);
  EXPECT_TRUE(at::equal(one.gradients[0], two.gradients[0]));
  EXPECT_TRUE(at::equal(one.gradients[1], two.gradients[1]));
}

}  // namespace
}  // namespace sparse_transformer
