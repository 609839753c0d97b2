#include "model/embedding.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>

#include "tests/model/embedding_case.h"

namespace sparse_transformer {
namespace {

// Written out again: transformer_test.cpp has it within a whole model.
TEST(Embedding, IsTheStartThenTokensAndTheirPositions) {
  for (const EmbeddingCase& c : embedding_cases()) {
    const EmbeddingTensors x(c);
    const at::Tensor out = run_embedding(x, {}, at::kFloat, at::kFloat).out;
    ASSERT_EQ(out.sizes(), at::IntArrayRef({c.batch, c.padded(), c.width}));
    for (std::int64_t b = 0; b < c.batch; ++b) {
      for (std::int64_t t = 0; t < c.padded(); ++t) {
        at::Tensor expected = at::zeros({c.width});
        if (t == 0) {
          expected = x.tables.back();
        } else if (t < c.length) {
          expected = x.tables[0][x.tokens[b][t - 1].item<std::int64_t>()];
          std::int64_t rest = t - 1;
          for (std::size_t i = c.axes.size(); i-- > 0; rest /= c.axes[i]) {
            expected = expected + x.tables[1 + i][rest % c.axes[i]];
          }
        }
        EXPECT_TRUE(at::allclose(out[b][t], expected, 1e-5, 1e-5)) << b << ", " << t;
      }
    }
  }
}

class EmbeddingCuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  }

  /// Gradients are given as they come from activations of this precision.
  static EmbeddingResults run(EmbeddingTensors x, Precision precision) {
    for (at::Tensor& table : x.tables) table = table.to(at::kCUDA);
    x.tokens = x.tokens.to(at::kCUDA);
    x.d_out = x.d_out.to(at::kCUDA);
    return run_embedding(x, {.precision = precision}, at::kFloat, activation_type(precision));
  }
};

TEST_F(EmbeddingCuda, IsAsExactAsPlainCode) {
  for (const EmbeddingCase& c : embedding_cases()) {
    const EmbeddingTensors x(c);
    expect_close(run(x, Precision::kFloat32), exact_embedding(x, at::kFloat), 1e-6);
    expect_close(run(x, Precision::kBfloat16), exact_embedding(x, at::kBFloat16), 1e-6);
  }
}

// At a paper's size.
TEST_F(EmbeddingCuda, RepeatsBitForBit) {
  const EmbeddingTensors x({4, 12288, 128, 512, {64, 64, 3}});
  const EmbeddingResults once = run(x, Precision::kBfloat16);
  const EmbeddingResults again = run(x, Precision::kBfloat16);
  const EmbeddingResults exact = exact_embedding(x, at::kBFloat16);
  EXPECT_TRUE(at::equal(once.out, again.out));
  for (std::size_t i = 0; i < exact.gradients.size(); ++i) {
    EXPECT_TRUE(at::equal(once.gradients[i], again.gradients[i]));
    const at::Tensor expected = exact.gradients[i];
    EXPECT_TRUE(at::allclose(once.gradients[i].cpu().to(at::kDouble), expected, 1e-4, 5e-3)) << i;
  }
}

}  // namespace
}  // namespace sparse_transformer
