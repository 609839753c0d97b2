#include "generation/attention_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "attention/sparse_attention.h"
#include "config/errors.h"
#include "tests/generation/small_model.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;

TEST(AttentionTrace, HasTheWeightsWithWhichTheModelReads) {
  const at::NoGradGuard no_gradients;
  for (const SmallModel& small : small_models()) {
    SCOPED_TRACE(model_name(small));
    const auto model = make_model(small);
    const at::Tensor tokens = random_tokens(1, small.n);
    const std::vector<std::uint8_t> bytes(tokens.data_ptr<std::uint8_t>(),
                                          tokens.data_ptr<std::uint8_t>() + small.n);
    const AttentionChoice choice{.layers = {0, small.depth - 1},
                                 .heads = {small.heads - 1},
                                 .positions = {small.n / 2, small.n - 1}};
    const auto maps = trace_attention(*model, bytes, choice);
    ASSERT_EQ(maps.size(), 4U);

    std::size_t next = 0;
    const HeadShape shape = model->head_shape();
    const auto check = [&](std::int64_t layer, const at::Tensor& packed) {
      const LayerPattern& pattern = model->patterns()[static_cast<std::size_t>(layer)];
      const at::Tensor out = sparse_attention_reference(packed, pattern, shape);
      for (; next < maps.size() && maps[next].layer == layer; ++next) {
        const AttentionMap& map = maps[next];
        at::Tensor mixed = at::zeros({shape.value_width});
        for (std::size_t i = 0; i < map.query.keys.size(); ++i) {
          const at::Tensor value = packed[0][map.query.keys[i]][map.head].narrow(
              0, 2 * shape.query_width, shape.value_width);
          mixed += map.query.weights[i] * value;
        }
        EXPECT_LT((mixed - out[0][map.position][map.head]).abs().max().item<double>(), 1e-4);
      }
      return out;
    };
    model->run_blocks(model->embedding().forward(tokens, small.stride), check);
    EXPECT_EQ(next, maps.size());
  }
}

TEST(AttentionTrace, SpreadIsTheNumberOfKeysThatShareEvenly) {
  AttentionMap map;
  EXPECT_EQ(map.spread(), 0.0);
  EXPECT_FALSE(map.strongest());
  map.query = {.keys = {3, 5, 7, 9}, .weights = {0.25F, 0.25F, 0.25F, 0.25F}};
  EXPECT_NEAR(map.spread(), 4.0, 1e-6);
  map.query.weights = {0.0F, 0.0F, 1.0F, 0.0F};
  EXPECT_NEAR(map.spread(), 1.0, 1e-6);
  EXPECT_EQ(map.strongest(), 2U);
}

TEST(AttentionTrace, WhatIsNotChosenIsSpread) {
  ModelSettings settings;
  settings.layers = 10;
  settings.heads = 8;
  const SequenceLayout picture{.length = 192, .axes = {8, 8, 3}};
  const AttentionChoice all = spread_choice({}, settings, picture, 192);
  EXPECT_THAT(all.layers, ElementsAre(0, 3, 6, 9));
  EXPECT_THAT(all.heads, ElementsAre(0, 7));
  EXPECT_THAT(all.positions, ElementsAre(24 + 16, 3 * 24 + 16, 5 * 24 + 16, 7 * 24 + 16));
  const AttentionChoice one =
      spread_choice({.layers = {2}, .heads = {}, .positions = {5}}, settings, picture, 192);
  EXPECT_THAT(one.heads, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(one.positions, ElementsAre(5));
  EXPECT_THAT(spread_choice({}, settings, {.length = 1, .axes = {1, 1}}, 1).positions,
              ElementsAre(0));
}

TEST(AttentionTrace, WhatTheModelDoesNotHaveIsRefused) {
  const ModelSettings settings;  // 4 layers, 4 heads
  const SequenceLayout layout{.length = 36, .axes = {6, 6}};
  for (const AttentionChoice& choice :
       {AttentionChoice{.layers = {4}, .heads = {}, .positions = {}},
        AttentionChoice{.layers = {}, .heads = {0, 4}, .positions = {}},
        AttentionChoice{.layers = {}, .heads = {}, .positions = {20}},
        AttentionChoice{.layers = {-1}, .heads = {}, .positions = {}}}) {
    EXPECT_THROW(spread_choice(choice, settings, layout, 20), UserError);
  }
}

}  // namespace
}  // namespace sparse_transformer
