// The feed-forward part's products on a GPU; skipped where there is none.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "model/feedforward.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;

/// x, the weight and the bias of expand, the weight of contract, the gradient of the result.
using Numbers = std::vector<at::Tensor>;

Numbers random_numbers(std::int64_t rows, std::int64_t width, std::int64_t inner,
                       at::ScalarType type) {
  at::manual_seed(1);
  // Weights that half precision has, so that their rounding is not what is compared.
  const auto weight = [type](std::int64_t out, std::int64_t in) {
    return (at::randn({out, in}) / std::sqrt(static_cast<double>(in))).to(type).to(at::kFloat);
  };
  return {at::randn({2, rows / 2, width}).to(type), weight(inner, width), at::randn({inner}),
          weight(width, inner), at::randn({2, rows / 2, width}).to(type)};
}

/// The result and the gradients of all inputs.
template <typename Operation>
std::vector<at::Tensor> run(const Operation& operation, Numbers numbers) {
  for (std::size_t i = 0; i < 4; ++i) numbers[i] = numbers[i].detach().requires_grad_(true);
  const at::Tensor out = operation(numbers);
  std::vector<at::Tensor> results =
      torch::autograd::grad({out}, {numbers[0], numbers[1], numbers[2], numbers[3]}, {numbers[4]});
  results.insert(results.begin(), out.detach());
  return results;
}

std::vector<at::Tensor> run_on_gpu(Numbers numbers, KernelKind kernel) {
  for (at::Tensor& x : numbers) x = x.to(at::kCUDA);
  return run(
      [kernel](const Numbers& x) {
        return expand_and_contract({x[1], x[2]}, {x[3], {}}, x[0], kernel);
      },
      numbers);
}

std::vector<at::Tensor> run_exactly(Numbers numbers) {
  for (at::Tensor& x : numbers) x = x.to(at::kDouble);
  return run(
      [](const Numbers& x) {
        const at::Tensor u = at::linear(x[0], x[1], x[2]);
        return at::linear(u * at::sigmoid(1.702 * u), x[3]);
      },
      numbers);
}

class FeedforwardCuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
    if (kernels(1024, 8, at::kHalf).size() == 1) {
      GTEST_SKIP() << "no kernels for this GPU in this build";
    }
  }

  static std::vector<KernelKind> kernels(std::int64_t rows, std::int64_t width,
                                         at::ScalarType type) {
    return feedforward_kernels({at::zeros({2 * width, width}), {}},
                               at::zeros({rows, width}, at::device(at::kCUDA).dtype(type)));
  }
};

// First and small: for compute-sanitizer.
TEST_F(FeedforwardCuda, EqualsItsDefinition) {
  for (const auto& [rows, width, inner] :
       std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>>{
           {1024, 8, 16}, {1026, 72, 200}, {4100, 512, 1032}}) {
    for (const auto& [type, tolerance] : {std::pair(at::kBFloat16, 1e-2), {at::kHalf, 2e-3}}) {
      SCOPED_TRACE(std::string(c10::toString(type)) + ", " + std::to_string(rows) + " rows");
      const Numbers numbers = random_numbers(rows, width, inner, type);
      const auto right = run_exactly(numbers);
      for (const KernelKind kernel : {KernelKind::kOwn, KernelKind::kCublas}) {
        const auto fast = run_on_gpu(numbers, kernel);
        for (std::size_t i = 0; i < right.size(); ++i) {
          const at::Tensor apart = fast[i].to(at::kCPU).to(at::kDouble) - right[i];
          EXPECT_LT((apart.norm() / right[i].norm()).item<double>(), tolerance) << "result " << i;
        }
      }
    }
  }
}

TEST_F(FeedforwardCuda, RepeatsBitForBitWhereverItsInputsLie) {
  const Numbers numbers = random_numbers(1026, 72, 200, at::kBFloat16);
  const auto first = run_on_gpu(numbers, KernelKind::kOwn);
  Numbers odd = numbers;
  for (at::Tensor& x : odd) {
    // At an address that is no multiple of 16 bytes.
    const at::Tensor more = at::empty({x.numel() + 1}, x.options().device(at::kCUDA));
    x = more.narrow(0, 1, x.numel()).view(x.sizes()).copy_(x);
  }
  for (const Numbers& again : {numbers, odd}) {
    const auto results = run_on_gpu(again, KernelKind::kOwn);
    for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(at::equal(first[i], results[i]));
  }
}

TEST_F(FeedforwardCuda, IsALibrarysWhereOursDoNotServe) {
  EXPECT_THAT(kernels(1024, 64, at::kHalf), ElementsAre(KernelKind::kOwn, KernelKind::kCublas));
  EXPECT_THAT(kernels(1024, 64, at::kFloat), ElementsAre(KernelKind::kCublas));
  EXPECT_THAT(kernels(1024, 60, at::kHalf), ElementsAre(KernelKind::kCublas));
  EXPECT_THAT(kernels(256, 64, at::kHalf), ElementsAre(KernelKind::kCublas));
}

TEST(Feedforward, OnTheCpuIsTheSameWhateverIsRecorded) {
  Numbers numbers = random_numbers(10, 8, 16, at::kFloat);
  const auto with = [&numbers](KernelKind kernel) {
    return run(
        [kernel](const Numbers& x) {
          return expand_and_contract({x[1], x[2]}, {x[3], {}}, x[0], kernel);
        },
        numbers);
  };
  const auto own = with(KernelKind::kOwn), right = run_exactly(numbers);
  for (std::size_t i = 0; i < right.size(); ++i) {
    EXPECT_TRUE(at::equal(own[i], with(KernelKind::kCublas)[i]));
    EXPECT_TRUE(at::allclose(own[i].to(at::kDouble), right[i], 1e-4, 1e-5));
  }
}

}  // namespace
}  // namespace sparse_transformer
