#include "model/work.h"

#include <gtest/gtest.h>

#include "model/size.h"

namespace sparse_transformer {
namespace {

struct Example {
  ModelSettings settings;
  SequenceLayout layout;
};

/// The paper's CIFAR-10 model, with the queries half as wide as the values.
Example cifar10(const WordLists& layers) {
  const std::vector<std::int64_t> picture = {32, 32, 3};
  ModelSettings settings;
  settings.layers = 128;
  settings.width = 256;
  settings.heads = 2;
  settings.qk_ratio = 0.5;
  settings.feedforward_ratio = 2.0;
  settings.attention.layers = layers;
  resolve(settings, 3072, picture);
  return {settings, sequence_layout(3072, picture, *settings.attention.stride)};
}

Work attention_of(const std::string& pattern, std::int64_t sequences, Precision precision) {
  const Example example = cifar10({{pattern}});
  const LayerPattern layer = layer_patterns(example.settings.attention, 1, 2, 3072).front();
  return attention_work(example.settings, layer, 3072, sequences, precision);
}

TEST(Work, OfAttentionIsCountedOnThePairs) {
  // paper.md §1: a window of 96 has 96·97/2 + 2976·96 pairs, columns 96 · 32·33/2; two heads of
  // 64 + 128, forward and 2.5 times that backward.
  const double window = 96 * 97 / 2 + 2976 * 96;
  const double columns = 96 * 32 * 33 / 2;
  const auto flops = [](double pairs) { return 3.5 * 2 * (64 + 128) * 2 * pairs; };
  EXPECT_DOUBLE_EQ(attention_of("local", 1, Precision::kFloat32).flops, flops(window));
  EXPECT_DOUBLE_EQ(attention_of("column", 1, Precision::kFloat32).flops, flops(columns));
  // One's own position is in both.
  EXPECT_DOUBLE_EQ(attention_of("local+column", 5, Precision::kFloat32).flops,
                   5 * flops(window + columns - 3072));
  EXPECT_DOUBLE_EQ(attention_of("dense", 1, Precision::kFloat32).flops, flops(3072 * 3073 / 2));
}

TEST(Work, OfAttentionMovesEveryOperandOnce) {
  // A token and head: query and key of 64, value and output of 128, each with its gradient; forward
  // three read and one written, backward five read and three written; the log-sum-exp twice.
  const double numbers = (64 + 64 + 128 + 128) + (64 + 64 + 128 + 128 + 128) + (64 + 64 + 128);
  for (const std::string pattern : {"local", "dense"}) {
    EXPECT_DOUBLE_EQ(attention_of(pattern, 1, Precision::kFloat32).bytes,
                     3072 * 2 * (4 * numbers + 2 * 4));
    EXPECT_DOUBLE_EQ(attention_of(pattern, 3, Precision::kBfloat16).bytes,
                     3 * 3072 * 2 * (2 * numbers + 2 * 4));
  }
}

TEST(Work, OfAStepIsThatOfTheModelSizeAndItsTraffic) {
  const Example example = cifar10({{"local+column"}});
  const ModelSize size = model_size(example.settings, example.layout, 1, false, {});
  const Work work = step_work(example.settings, example.layout, 2, Precision::kBfloat16);
  EXPECT_DOUBLE_EQ(work.flops, 2 * 3072 * size.flops_per_token);
  // 3,932 kB a token (W = 512, H·dv = 256, ff = 512) and 28 bytes a parameter.
  const double a_token = 128.0 * 2 * (26 * 256 + 6 * 512 + 6 * 256 + 8 * 512);
  EXPECT_NEAR(a_token, 3932e3, 1e3);
  EXPECT_DOUBLE_EQ(work.bytes, 2 * 3072 * a_token + 28.0 * static_cast<double>(size.parameters));
  EXPECT_DOUBLE_EQ(step_work(example.settings, example.layout, 2, Precision::kFloat32).bytes,
                   2 * 3072 * 2 * a_token + 28.0 * static_cast<double>(size.parameters));
}

TEST(Work, OfSamplingReadsTheWeightsOnceAndTheKeysOfEverySequence) {
  const Example example = cifar10({{"local"}});
  const ModelSize size = model_size(example.settings, example.layout, 1, false, {});
  const Work work = sampling_work(example.settings, example.layout, 16, Precision::kFloat32);
  EXPECT_DOUBLE_EQ(work.flops, 16 * size.flops_per_token / 3);
  const double weights = 128.0 * (512 * 256 + 256 * 256 + 2 * 512 * 256) + 256 * 256;
  EXPECT_DOUBLE_EQ(static_cast<double>(size.multiplied_weights), weights);
  const double keys = (96 * 97 / 2 + 2976 * 96) / 3072.0;
  EXPECT_NEAR(work.bytes, 4 * (weights + 16 * 128 * 2 * keys * (64 + 128)), 1.0);
}

}  // namespace
}  // namespace sparse_transformer
