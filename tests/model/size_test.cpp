#include "model/size.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "model/token_loss.h"
#include "model/transformer.h"

namespace sparse_transformer {
namespace {

struct Example {
  ModelSettings settings;
  SequenceLayout layout;
};

/// Two layers of two heads with queries half as wide as values.
Example small_example(std::int64_t length, const std::vector<std::int64_t>& picture_shape) {
  ModelSettings settings;
  settings.layers = 2;
  settings.width = 8;
  settings.heads = 2;
  settings.qk_ratio = 0.5;
  settings.feedforward_ratio = 2.0;
  settings.attention.stride = 4;
  settings.attention.layers = {{"local"}, {"local", "column"}};
  resolve(settings, length, picture_shape);
  return {settings, sequence_layout(length, picture_shape, 4)};
}

void expect_shapes_of_the_built_model(const Example& example) {
  const std::vector<TensorShape> shapes = parameter_shapes(example.settings, example.layout);
  const Transformer model(example.settings, example.layout);
  const NamedTensors tensors = model.parameters();
  ASSERT_EQ(shapes.size(), tensors.size());
  std::int64_t count = 0;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    EXPECT_EQ(shapes[i].name, tensors[i].name);
    EXPECT_EQ(shapes[i].sizes, tensors[i].tensor.sizes().vec()) << shapes[i].name;
    count += tensors[i].tensor.numel();
  }
  EXPECT_EQ(model_size(example.settings, example.layout, 1, true, {}).parameters, count);
}

TEST(ModelSize, HasTheTensorsOfTheBuiltModel) {
  expect_shapes_of_the_built_model(small_example(18, {}));
  expect_shapes_of_the_built_model(small_example(12, {2, 2, 3}));
}

TEST(ModelSize, CountsFlopsOnThePairsOfThePattern) {
  const Example example = small_example(16, {});
  const ModelSize size = model_size(example.settings, example.layout, 1, false, {});
  // paper.md §1: n = 16, l = 4 has 58 pairs in a window, 40 in columns; the layers have two heads.
  EXPECT_DOUBLE_EQ(size.attention_pairs_per_query, (58 + 58 + 58 + 40) / 4.0 / 16);
  // A layer: queries and keys of 2·2·2 rows, values of 8, output 8 x 8, feed-forward 2 · 16 x 8;
  // and the output matrix.
  const double weights = 2 * (16 * 8 + 8 * 8 + 2 * 16 * 8) + 256 * 8;
  const double pairs = 58 + 58 + 58 + 40;
  EXPECT_DOUBLE_EQ(size.flops_per_token, 6 * weights + 3 * 2 * (2 + 4) * pairs / 16);
}

TEST(ModelSize, StateIsFourOrFiveCopiesOfTheWeights) {
  const Example example = small_example(16, {});
  const ModelSize with = model_size(example.settings, example.layout, 1, true, {});
  const ModelSize without = model_size(example.settings, example.layout, 1, false, {});
  EXPECT_EQ(with.state_bytes, 5 * 4 * with.parameters);
  EXPECT_EQ(without.state_bytes, 4 * 4 * with.parameters);
  EXPECT_EQ(with.memory_bytes(), with.state_bytes + with.activation_bytes);
}

TEST(ModelSize, StateHasCopiesOfTheBlocksMatricesWhereTheyAreMultipliedInHalfPrecision) {
  const Example example = small_example(16, {});
  const auto state_bytes = [&](Precision precision) {
    return model_size(example.settings, example.layout, 1, false, {.precision = precision})
        .state_bytes;
  };
  const bool are_kept = product_type(at::kCPU, at::kBFloat16) == at::kBFloat16;
  EXPECT_EQ(state_bytes(Precision::kBfloat16) - state_bytes(Precision::kFloat32),
            are_kept ? 2 * 2 * (16 * 8 + 8 * 8 + 2 * 16 * 8) : 0);
}

/// Watches what LibTorch's allocator of the CPU gives out on this thread.
class AllocatedBytes : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* /*pointer*/, std::int64_t bytes, std::size_t /*allocated*/,
                         std::size_t /*reserved*/, c10::Device /*device*/) override {
    now_ += bytes;
    peak_ = std::max(peak_, now_);
  }
  bool memoryProfilingEnabled() const override { return true; }
  std::int64_t peak() const { return peak_; }

 private:
  std::int64_t now_ = 0, peak_ = 0;
};

/// Peak of two forward and backward passes that add up their gradients, these included.
std::int64_t measured_bytes(const ModelSettings& settings, const SequenceLayout& layout,
                            std::int64_t batch, const Computation& computation) {
  const Transformer model(settings, layout, computation);
  initialise(model, 1);
  for (const NamedTensor& parameter : model.parameters()) parameter.tensor.requires_grad_(true);
  const at::Tensor tokens = at::randint(256, {batch, layout.length}, at::kByte);
  const auto allocated = std::make_shared<AllocatedBytes>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, allocated);
  for (int micro_batch = 0; micro_batch < 2; ++micro_batch) {
    const DropoutPlace place;
    const at::Tensor logits = model.forward(tokens, &place);
    token_loss(logits, tokens, computation.kernels).backward();
  }
  return allocated->peak();
}

/// In every precision, with every choice of what is recomputed.
void expect_memory(ModelSettings settings, std::int64_t length, std::int64_t batch) {
  at::set_num_threads(1);  // each thread has a little memory of its own
  resolve(settings, length, {});
  const SequenceLayout layout = sequence_layout(length, {}, *settings.attention.stride);
  for (std::size_t precision = 0; precision < kPrecisionWords.size(); ++precision) {
    for (std::size_t recompute = 0; recompute < kRecomputeWords.size(); ++recompute) {
      const Computation computation = {static_cast<Precision>(precision),
                                       static_cast<Recompute>(recompute)};
      const ModelSize size = model_size(settings, layout, batch, false, computation);
      const auto predicted =
          static_cast<double>(size.activation_bytes + 4 * size.parameters);  // and gradients
      const auto measured =
          static_cast<double>(measured_bytes(settings, layout, batch, computation));
      EXPECT_NEAR(predicted / measured, 1.0, 0.1)
          << kPrecisionWords.at(precision) << ", recompute: " << kRecomputeWords.at(recompute)
          << ": " << predicted << " against " << measured;
    }
  }
}

/// What the shapes below change.
ModelSettings memory_settings() {
  ModelSettings settings;
  settings.layers = 3;
  settings.width = 128;
  settings.heads = 2;
  settings.attention.stride = 16;
  settings.attention.layers = {{"strided"}};
  settings.attention.summary = 8;
  return settings;
}

TEST(ModelMemory, OfAPlainModel) { expect_memory(memory_settings(), 256, 2); }

TEST(ModelMemory, WithDropoutAndSummaries) {
  ModelSettings settings = memory_settings();
  settings.dropout = 0.1;
  settings.attention.layers = {{"fixed"}};
  expect_memory(settings, 250, 2);
}

TEST(ModelMemory, WithNarrowQueriesAndUnions) {
  ModelSettings settings = memory_settings();
  settings.qk_ratio = 0.5;
  settings.feedforward_ratio = 2.0;
  settings.attention.layers = {{"local+column"}};
  expect_memory(settings, 256, 2);
}

// The loss over 256 bytes is the largest moment then.
TEST(ModelMemory, OfANarrowModel) {
  ModelSettings settings = memory_settings();
  settings.width = 32;
  settings.embedding_dropout = 0.1;
  expect_memory(settings, 256, 2);
}

TEST(ModelMemory, OfADeepModel) {
  ModelSettings settings = memory_settings();
  settings.layers = 24;
  settings.width = 64;
  settings.dropout = 0.2;
  settings.feedforward_ratio = 2.0;
  expect_memory(settings, 256, 2);
}

// Weights and their gradients count as much as activations.
TEST(ModelMemory, OfAWideModel) {
  ModelSettings settings = memory_settings();
  settings.layers = 2;
  settings.width = 384;
  settings.heads = 6;
  expect_memory(settings, 128, 2);
}

TEST(ModelMemory, OfALongSequence) {
  ModelSettings settings = memory_settings();
  settings.layers = 4;
  settings.width = 64;
  settings.attention.stride = 64;
  settings.attention.layers = {{"strided"}};
  expect_memory(settings, 4096, 1);
}

TEST(ModelMemory, WithListedBlocks) {
  ModelSettings settings = memory_settings();
  settings.attention.layers = {{"local+summary"}};
  expect_memory(settings, 256, 2);
  settings.attention.define = {{"random", {RandomPattern{.block = 16, .blocks = 4}}}};
  settings.attention.layers = {{"local", "random+local"}};
  expect_memory(settings, 250, 2);
}

}  // namespace
}  // namespace sparse_transformer
