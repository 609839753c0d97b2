// The kernels of union_cuda.h on a GPU; skipped where there is none.
#include "attention/kernels/union_cuda.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>

#include "tests/attention/kernels/union_cases.h"

namespace sparse_transformer {
namespace {

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
