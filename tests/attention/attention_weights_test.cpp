#include "attention/attention_weights.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "attention/sparse_attention.h"
#include "tests/attention/pattern_cases.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kQueryWidth = 5;
constexpr std::int64_t kValueWidth = 3;
const HeadShape kShape{kQueryWidth, kValueWidth, 1.0 / std::sqrt(5.0)};

/// Softmax of the masked dense scores of one head in float64, [n, n]; rows without any key are NaN.
at::Tensor dense_weights(const at::Tensor& packed, const LayerPattern& pattern, std::int64_t head) {
  const at::Tensor rows = packed[0].select(1, head).to(at::kDouble);
  const at::Tensor scores =
      at::matmul(rows.narrow(1, 0, kQueryWidth), rows.narrow(1, kQueryWidth, kQueryWidth).t()) *
      kShape.scale;
  const at::Tensor hidden = attention_mask(pattern, packed.size(1), head).logical_not();
  return scores.masked_fill(hidden, -std::numeric_limits<double>::infinity()).softmax(1);
}

void expect_equal(const QueryWeights& query, const at::Tensor& dense_row) {
  ASSERT_EQ(query.keys.size(), query.weights.size());
  at::Tensor row = at::zeros_like(dense_row);
  for (std::size_t i = 0; i < query.keys.size(); ++i) {
    row[query.keys[i]] += static_cast<double>(query.weights[i]);
  }
  EXPECT_LT((row - dense_row).abs().max().item<double>(), 1e-6);
  EXPECT_NEAR(std::accumulate(query.weights.begin(), query.weights.end(), 0.0), 1.0, 1e-5);
}

TEST(AttentionWeights, AreTheSoftmaxOfMaskedDenseScores) {
  at::set_num_threads(1);
  at::manual_seed(4);
  for (const PatternCase& c : pattern_cases()) {
    if (c.n > 100) continue;
    SCOPED_TRACE(case_name(c));
    const LayerPattern pattern = layer_of(c);
    const at::Tensor packed = 3 * at::randn({1, c.n, c.heads, 2 * kQueryWidth + kValueWidth});
    for (const std::int64_t head : {std::int64_t{0}, c.heads - 1}) {
      const at::Tensor dense = dense_weights(packed, pattern, head);
      for (const std::int64_t t : {std::int64_t{0}, c.n / 2, c.n - 1}) {
        const QueryWeights query = attention_weights(packed, pattern, kShape, head, t);
        if (query.keys.empty()) {
          EXPECT_TRUE(at::isnan(dense[t]).all().item<bool>());
        } else {
          expect_equal(query, dense[t]);
        }
      }
    }
  }
}

TEST(AttentionWeights, AreComputedInFloat32) {
  at::manual_seed(4);
  const PatternCase c{.entry = {"local+column"}, .n = 36, .stride = 6, .summary = 1, .heads = 2};
  const at::Tensor packed =
      at::randn({1, c.n, c.heads, 2 * kQueryWidth + kValueWidth}).to(at::kBFloat16);
  expect_equal(attention_weights(packed, layer_of(c), kShape, 1, 35),
               dense_weights(packed, layer_of(c), 1)[35]);
}

}  // namespace
}  // namespace sparse_transformer
