// The kernels of union_cuda.h on a GPU; skipped where there is none.
#include "attention/kernels/union_cuda.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>

#include "attention/kernels/union_plan.h"
#include "attention/sparse_attention.h"
#include "tests/attention/kernels/union_case.h"

namespace sparse_transformer {
namespace {

struct UnionTensors {
  UnionTensors(const UnionCase& c, at::ScalarType type) {
    at::manual_seed(7);
    const auto random = [&](std::int64_t width) {
      return at::randn({c.batch, c.pattern.n, c.pattern.heads, width}, at::kDouble).to(type);
    };
    packed = random(c.shape().packed_width());
    d_out = random(c.value_width);
  }
  at::Tensor packed, d_out;
};

struct UnionResult {
  at::Tensor out, d_packed;
};

template <typename Attention>
UnionResult differentiated(const Attention& attention, const UnionTensors& x,
                           const LayerPattern& pattern, const HeadShape& shape) {
  const at::Tensor packed = x.packed.detach().clone().requires_grad_(true);
  const at::Tensor out = attention(packed, pattern, shape);
  return {out.detach(), torch::autograd::grad({out}, {packed}, {x.d_out}).front()};
}

double union_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.cpu().to(at::kDouble) - b.cpu().to(at::kDouble)).abs().max().item<double>();
}

/// Error to float64 at most twice that of plain code in the same type, plus a rounding floor, as in
/// sparse_attention_test.cpp. run(tensors, pattern, shape) is what is tested.
template <typename Run>
void expect_exact_union(const UnionCase& c, at::ScalarType type, double rounding_floor,
                        const Run& run) {
  SCOPED_TRACE(case_name(c.pattern) + " widths " + std::to_string(c.query_width) + " and " +
               std::to_string(c.value_width));
  const LayerPattern pattern = layer_of(c.pattern);
  const UnionTensors x(c, type);
  ASSERT_TRUE(is_served_union(pattern, c.shape(), c.pattern.n));
  UnionTensors wide = x;
  wide.packed = x.packed.to(at::kDouble);
  wide.d_out = x.d_out.to(at::kDouble);
  const UnionResult fast = run(x, pattern, c.shape());
  const UnionResult plain = differentiated(sparse_attention_reference, x, pattern, c.shape());
  const UnionResult exact = differentiated(sparse_attention_reference, wide, pattern, c.shape());
  EXPECT_LT(union_difference(fast.out, exact.out),
            2 * union_difference(plain.out, exact.out) + rounding_floor);
  EXPECT_LT(union_difference(fast.d_packed, exact.d_packed),
            2 * union_difference(plain.d_packed, exact.d_packed) + rounding_floor);
}

class UnionCuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
    const UnionCase c = small();
    const at::Tensor packed = UnionTensors(c, at::kBFloat16).packed.to(at::kCUDA);
    if (!union_cuda_serves(packed, layer_of(c.pattern), c.shape())) {
      GTEST_SKIP() << "no kernels for this GPU in this build";
    }
  }

  static UnionCase small() { return {{{"local+column"}, 70, 6, 3, 2}, 1, 32, 64}; }

  /// By the way that a model takes.
  static UnionResult run(const UnionTensors& x, const LayerPattern& pattern,
                         const HeadShape& shape) {
    UnionTensors on_gpu = x;
    on_gpu.packed = x.packed.to(at::kCUDA);
    on_gpu.d_out = x.d_out.to(at::kCUDA);
    const auto attention = [](const at::Tensor& packed, const auto&... layer) {
      return sparse_attention(packed, layer...);
    };
    return differentiated(attention, on_gpu, pattern, shape);
  }
};

// First and small: for compute-sanitizer.
TEST_F(UnionCuda, SmallCase) {
  expect_exact_union(small(), at::kBFloat16, 2e-2, run);
  expect_exact_union(small(), at::kHalf, 3e-3, run);
}

TEST_F(UnionCuda, IsAsExactAsPlainCodeInBfloat16) {
  for (const UnionCase& c : union_cases()) expect_exact_union(c, at::kBFloat16, 2e-2, run);
}

TEST_F(UnionCuda, IsAsExactAsPlainCodeInFloat16) {
  for (const UnionCase& c : union_cases()) expect_exact_union(c, at::kHalf, 3e-3, run);
}

// As many blocks as fill a GPU, at the paper's sizes.
TEST_F(UnionCuda, IsExactInLongSequences) {
  for (const UnionCase& c : {UnionCase{{{"local+column"}, 3072, 96, 8, 2}, 1, 64, 128},
                             UnionCase{{{"local+column"}, 4096, 128, 8, 2}, 1, 64, 64},
                             UnionCase{{{"local", "column"}, 3000, 64, 8, 2}, 1, 32, 32},
                             UnionCase{{{"fixed"}, 3000, 128, 32, 4}, 1, 64, 64}}) {
    expect_exact_union(c, at::kBFloat16, 2e-2, run);
  }
}

TEST_F(UnionCuda, RepeatsBitForBit) {
  const UnionCase c{{{"local+column"}, 3072, 96, 8, 4}, 2, 64, 64};
  const UnionTensors x(c, at::kBFloat16);
  const LayerPattern pattern = layer_of(c.pattern);
  const UnionResult once = run(x, pattern, c.shape());
  const UnionResult again = run(x, pattern, c.shape());
  EXPECT_TRUE(at::equal(once.out, again.out));
  EXPECT_TRUE(at::equal(once.d_packed, again.d_packed));
}

}  // namespace
}  // namespace sparse_transformer
