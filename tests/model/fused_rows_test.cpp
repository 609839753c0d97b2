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

at::Tensor random(at::IntArrayRef sizes, at::ScalarType type) {
  return at::randn(sizes, at::kDouble).to(type).requires_grad_(true);
}

using Operation = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

struct Results {
  at::Tensor out;
  std::vector<at::Tensor> gradients;
};

Results run(const Operation& operation, std::vector<at::Tensor> inputs, at::ScalarType type) {
  for (at::Tensor& x : inputs) x = x.detach().to(type).requires_grad_(true);
  const at::Tensor out = operation(inputs);
  at::manual_seed(11);
  const at::Tensor d_out = at::randn(out.sizes(), at::kDouble).to(type);
  return {out.detach(), torch::autograd::grad({out}, inputs, {d_out})};
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
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
  const at::Tensor x = at::zeros({2, 8});
  x[1][3] = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor one = at::ones({8});
  EXPECT_TRUE(gelu(x, one)[1][3].isnan().item<bool>());
  const at::Tensor normed = pass_and_norm({one, one, 1e-5}, x).normed;
  EXPECT_TRUE(normed[1].isnan().all().item<bool>());
  EXPECT_TRUE(normed[0].isfinite().all().item<bool>());
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
    const std::vector<at::Tensor> results = {y, d_x, normed, d_normed, sums};
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
