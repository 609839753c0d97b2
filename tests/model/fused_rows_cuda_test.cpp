// The operations of fused_rows.h and dropout.h on a GPU; skipped where there is none.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>

#include "model/fused_rows.h"

namespace sparse_transformer {
namespace {

using Operation = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

const DropoutPlace kPlace{.seed = 3, .step = 5, .first_sequence = 2, .site = 4};

class FusedRowsCuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
    if (!fuses_rows(at::zeros({1, 8}, at::kCUDA), Kernels::kFused)) {
      GTEST_SKIP() << "no kernels for this GPU in this build";
    }
  }

  /// The result and the gradients of all inputs.
  static std::vector<at::Tensor> run(const Operation& operation, std::vector<at::Tensor> inputs,
                                     const at::Tensor& d_out) {
    for (at::Tensor& x : inputs) x = x.detach().requires_grad_(true);
    const at::Tensor out = operation(inputs);
    std::vector<at::Tensor> results = {out.detach()};
    for (const at::Tensor& x : torch::autograd::grad({out}, inputs, {d_out.to(out.options())})) {
      results.push_back(x);
    }
    return results;
  }

  /// Inputs are [batch, rows, width], then float32 [width].
  static void expect_exact(const Operation& fused, const Operation& plain, int matrices,
                           int vectors, std::int64_t copies = 1) {
    for (const std::int64_t width : {64, 37, 512, 1000}) {
      for (const auto& [type, tolerance] :
           {std::pair(at::kFloat, 1e-4), {at::kBFloat16, 2e-2}, {at::kHalf, 4e-3}}) {
        SCOPED_TRACE(std::string(c10::toString(type)) + ", width " + std::to_string(width));
        at::manual_seed(1);
        std::vector<at::Tensor> inputs, on_gpu;
        for (int i = 0; i < matrices + vectors; ++i) {
          const at::Tensor x =
              i < matrices ? at::randn({3, 70, width}).to(type) : at::randn({width});
          inputs.push_back(x.to(at::kDouble));
          on_gpu.push_back(x.to(at::kCUDA));
        }
        const at::Tensor d_out = at::randn({copies * 3, 70, width}).to(type);
        const auto fast = run(fused, on_gpu, d_out);
        const auto right = run(plain, inputs, d_out.to(at::kDouble));
        for (std::size_t i = 0; i < fast.size(); ++i) {
          // A sum of 210 rows is rounded more often, and its terms may cancel.
          const double scale = right[i].dim() == 1 ? 20 : 1;
          const at::Tensor apart =
              (fast[i].to(at::kCPU).to(at::kDouble) - right[i]).abs() / right[i].abs().clamp_min(1);
          EXPECT_LT(apart.max().item<double>(), scale * tolerance) << "result " << i;
        }
        const auto again = run(fused, on_gpu, d_out);
        for (std::size_t i = 0; i < fast.size(); ++i) EXPECT_TRUE(at::equal(fast[i], again[i]));
      }
    }
  }
};

// First and small: for compute-sanitizer.
TEST_F(FusedRowsCuda, DropoutDrawsTheMaskOfTheProcessor) {
  for (const std::int64_t width : {8, 37, 512}) {
    const at::Tensor x = at::randn({3, 70, width});
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
      const at::Tensor right = dropout(x.to(type), 0.3, kPlace);
      EXPECT_TRUE(at::equal(dropout(x.to(type).to(at::kCUDA), 0.3, kPlace).to(at::kCPU), right));
      DropoutPlace place = kPlace;
      place.step = 99;
      place.step_on_device = at::full({}, kPlace.step, at::kLong).to(at::kCUDA);
      EXPECT_TRUE(at::equal(dropout(x.to(type).to(at::kCUDA), 0.3, place).to(at::kCPU), right));
    }
  }
}

TEST_F(FusedRowsCuda, NormPassesItsInputOn) {
  const Operation fused = [](const std::vector<at::Tensor>& x) {
    const auto [passed, normed] = pass_and_norm({x[1], x[2], 1e-5}, x[0]);
    return at::cat({passed, normed});
  };
  const Operation plain = [](const std::vector<at::Tensor>& x) {
    return at::cat({x[0], at::layer_norm(x[0], {x[0].size(-1)}, x[1], x[2], 1e-5)});
  };
  expect_exact(fused, plain, 1, 2, 2);
}

TEST_F(FusedRowsCuda, ResidualWithAndWithoutDropout) {
  for (const double p : {0.0, 0.3}) {
    const Operation fused = [&](const std::vector<at::Tensor>& x) {
      return add_residual(x[0], x[1], x[2], p, kPlace);
    };
    const Operation plain = [&](const std::vector<at::Tensor>& x) {
      return x[0] + dropout(x[1] + x[2], p, kPlace, Kernels::kPlain);
    };
    expect_exact(fused, plain, 2, 1);
  }
}

TEST_F(FusedRowsCuda, GeluEqualsItsDefinition) {
  const Operation fused = [](const std::vector<at::Tensor>& x) { return gelu(x[0], x[1]); };
  const Operation plain = [](const std::vector<at::Tensor>& x) {
    const at::Tensor u = x[0] + x[1];
    return u * at::sigmoid(1.702 * u);
  };
  expect_exact(fused, plain, 1, 1);
}

}  // namespace
}  // namespace sparse_transformer
