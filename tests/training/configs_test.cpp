// The configs that come with the program.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "training/inspection.h"
#include "training/learner.h"
#include "training/run_length.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;

const fs::path kConfigs = SPARSE_TRANSFORMER_CONFIGS;

Inspection of(const std::string& name) { return inspect({(kConfigs / name).string()}, {}); }

TEST(Configs, ThePapersModelsHaveItsParameterCounts) {
  for (const char* name :
       {"cifar10.yaml", "cifar10-dense.yaml", "cifar10-fixed.yaml", "cifar10-58m.yaml"}) {
    EXPECT_EQ(of(name).size.parameters, 59'196'928) << name;
  }
  for (const char* name : {"enwik8.yaml", "enwik8-dense.yaml", "enwik8-strided.yaml"}) {
    EXPECT_EQ(of(name).size.parameters, 94'949'888) << name;
  }
  for (const char* name : {"imagenet64.yaml", "imagenet64-150m.yaml"}) {
    EXPECT_EQ(of(name).size.parameters, 151'645'184) << name;
  }
  for (const char* name : {"imagenet64-96.yaml", "imagenet64-300m.yaml"}) {
    EXPECT_EQ(of(name).size.parameters, 302'959'616) << name;
  }
  EXPECT_EQ(of("cifar10-15m.yaml").size.parameters, 14'910'976);
}

/// Millions, of the weights beside the embeddings and the output matrix, which depend on n.
std::int64_t millions_in_blocks(const Inspection& inspection) {
  std::int64_t count = 0;
  for (const TensorShape& shape :
       parameter_shapes(inspection.settings.model, sequence_layout(inspection.settings))) {
    if (shape.name.starts_with("blocks.")) count += shape.count();
  }
  return (count + 500'000) / 1'000'000;
}

TEST(Configs, InferredModelsHaveAboutThePapersParameters) {
  EXPECT_EQ(of("music-65536.yaml").size.parameters, 151'840'256);  // table 4: 152 million
  EXPECT_EQ(millions_in_blocks(of("music-262144.yaml")), 25);
  EXPECT_EQ(millions_in_blocks(of("music-1048576.yaml")), 3);
  EXPECT_NEAR(static_cast<double>(of("cifar10-150m.yaml").size.parameters), 152e6, 0.5e6);
}

TEST(Configs, ThePapersModelsHaveItsPairs) {
  // paper.md §1's golden numbers: a column and three windows; rows and summary in one head.
  EXPECT_DOUBLE_EQ(of("cifar10.yaml").size.attention_pairs_per_query,
                   (50'688 + 3 * 290'352) / 4.0 / 3072);
  EXPECT_DOUBLE_EQ(of("enwik8.yaml").size.attention_pairs_per_query,
                   (792'576 + 18'677'760) / 12288.0);
  EXPECT_DOUBLE_EQ(of("imagenet64.yaml").size.attention_pairs_per_query,
                   (595'968 + 3 * 1'564'736) / 4.0 / 12288);
  EXPECT_DOUBLE_EQ(of("cifar10-dense.yaml").size.attention_pairs_per_query, 4'720'128 / 3072.0);
  EXPECT_DOUBLE_EQ(of("enwik8-dense.yaml").size.attention_pairs_per_query, 75'503'616 / 12288.0);
  EXPECT_DOUBLE_EQ(of("enwik8-strided.yaml").size.attention_pairs_per_query,
                   (595'968 + 1'564'736) / 2.0 / 12288);
}

TEST(Configs, ThePapersTrainingsCostWhatTheySay) {
  const auto flops = [](const Inspection& inspection) {
    return total_flops(inspection.settings, inspection.size, inspection.steps.value());
  };
  const Inspection cifar10 = of("cifar10.yaml");
  EXPECT_EQ(cifar10.steps, 120 * 48'000 / 16);
  EXPECT_NEAR(flops(cifar10), 6.6e18, 0.05e18);
  const Inspection enwik8 = of("enwik8.yaml");
  EXPECT_EQ(enwik8.steps, 80 * 7'323 / 16);
  EXPECT_NEAR(flops(enwik8), 6.2e18, 0.05e18);
  const Inspection imagenet64 = of("imagenet64.yaml");
  EXPECT_EQ(imagenet64.steps, (70LL * 1'231'149 + 127) / 128);
  EXPECT_NEAR(flops(imagenet64), 9.9e20, 0.05e20);
}

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kConfigs)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Configs, AllAreQuicklyInspected) {
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& name : all_names()) EXPECT_GT(of(name).size.memory_bytes(), 0) << name;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

/// What makes a step of the config short and leaves its widths, heads, patterns and stride as they
/// are: two layers, one sequence, no more rows of it than are needed for 4,096 tokens.
std::vector<std::string> shortened(const Settings& settings) {
  constexpr std::int64_t kTokens = 4096;
  std::vector<std::string> overrides = {"training.batch=1", "training.micro_batch=1",
                                        "training.steps=10", "training.epochs=null"};
  if (settings.model.layers > 2) overrides.emplace_back("model.layers=2");
  if (settings.data.sequence_length() <= kTokens) return overrides;
  if (settings.data.shape.empty()) {
    overrides.push_back("data.sequence=" + std::to_string(kTokens));
  } else {
    overrides.emplace_back("data.shape=[16, 64, 3]");
  }
  return overrides;
}

class EachConfig : public testing::TestWithParam<std::string> {};

TEST_P(EachConfig, LearnsAStep) {
  const std::vector<std::string> path = {(kConfigs / GetParam()).string()};
  const Settings whole = read_settings(open_config(path, {}));
  EXPECT_TRUE(whole.training.steps || whole.training.epochs);
  const Settings settings = read_settings(open_config(path, shortened(whole)));
  EXPECT_EQ(settings.model.attention.layers, whole.model.attention.layers);
  Learner learner(settings, at::kCPU);
  at::manual_seed(1);
  const at::Tensor tokens =
      at::randint(0, 256, {settings.training.batch, settings.data.sequence_length()}, at::kByte);
  const StepFigures figures = learner.step(tokens, 0, 10);
  EXPECT_NEAR(figures.loss.item<double>(), std::log(256.0), 1e-4);  // logits of 0
  EXPECT_GT(figures.gradient_norm.item<double>(), 0.0);
  EXPECT_NE(learner.step(tokens, 1, 10).loss.item<double>(), figures.loss.item<double>());
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = fs::path(info.param).stem();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Configs, EachConfig, testing::ValuesIn(all_names()), test_name);

TEST(Configs, TheSmallOnesAreSmall) {
  for (const char* name : {"quickstart.yaml", "tunes.yaml", "text.yaml", "chorales-small.yaml",
                           "speech-small.yaml", "cifar10-small.yaml", "enwik8-small.yaml",
                           "imagenet64-small.yaml", "music-small.yaml", "pictures-small.yaml"}) {
    const Inspection inspection = of(name);
    EXPECT_LT(inspection.size.parameters, 8'000'000) << name;
    EXPECT_LT(inspection.size.memory_bytes(), std::int64_t{1} << 30) << name;
  }
}

TEST(Configs, TheTwinsTrainInMinutesOnACpu) {
  for (const char* name :
       {"cifar10-small.yaml", "enwik8-small.yaml", "imagenet64-small.yaml", "music-small.yaml",
        "chorales-small.yaml", "speech-small.yaml", "pictures-small.yaml"}) {
    const Inspection inspection = of(name);
    const TrainingSettings& training = inspection.settings.training;
    const auto tokens = static_cast<double>(training.steps.value() * training.batch *
                                            inspection.settings.data.sequence_length());
    constexpr double kTenMinutes = 600 * 1e11;  // FLOPs, at the 100 GFLOP/s of two cores
    EXPECT_LT(inspection.size.flops_per_token * tokens, kTenMinutes) << name;
  }
}

TEST(Configs, SettingsGivenBesideThemWin) {
  const std::string config = (kConfigs / "cifar10.yaml").string();
  EXPECT_EQ(inspect({config}, {"model.layers=32"}).size.parameters, 14'910'976);
}

}  // namespace
}  // namespace sparse_transformer
