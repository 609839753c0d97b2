// The configs that come with the program.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "training/inspection.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;

const fs::path kConfigs = SPARSE_TRANSFORMER_CONFIGS;

Inspection of(const std::string& name) { return inspect({(kConfigs / name).string()}, {}); }

TEST(Configs, ThePapersModelsHaveItsParameterCounts) {
  EXPECT_EQ(of("cifar10.yaml").size.parameters, 59'196'928);
  EXPECT_EQ(of("enwik8.yaml").size.parameters, 94'949'888);
  EXPECT_EQ(of("imagenet64.yaml").size.parameters, 151'645'184);
  EXPECT_EQ(of("imagenet64-96.yaml").size.parameters, 302'959'616);
  EXPECT_EQ(of("cifar10-15m.yaml").size.parameters, 14'910'976);
}

TEST(Configs, ThePapersModelsHaveItsPairs) {
  // paper.md §1's golden numbers: a column and three windows; rows and summary in one head.
  EXPECT_DOUBLE_EQ(of("cifar10.yaml").size.attention_pairs_per_query,
                   (50'688 + 3 * 290'352) / 4.0 / 3072);
  EXPECT_DOUBLE_EQ(of("enwik8.yaml").size.attention_pairs_per_query,
                   (792'576 + 18'677'760) / 12288.0);
  EXPECT_DOUBLE_EQ(of("imagenet64.yaml").size.attention_pairs_per_query,
                   (595'968 + 3 * 1'564'736) / 4.0 / 12288);
}

TEST(Configs, EachIsWholeAndQuicklyInspected) {
  const auto start = std::chrono::steady_clock::now();
  int count = 0;
  for (const auto& entry : fs::directory_iterator(kConfigs)) {
    if (entry.path().extension() != ".yaml") continue;
    EXPECT_GT(of(entry.path().filename()).size.memory_bytes(), 0) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 9);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(Configs, TheSmallOnesAreSmall) {
  for (const char* name : {"quickstart.yaml", "tunes.yaml", "text.yaml", "cifar10-small.yaml"}) {
    EXPECT_LT(of(name).size.parameters, 8'000'000) << name;
    EXPECT_LT(of(name).size.memory_bytes(), std::int64_t{8} << 30) << name;
  }
}

TEST(Configs, SettingsGivenBesideThemWin) {
  const std::string config = (kConfigs / "cifar10.yaml").string();
  EXPECT_EQ(inspect({config}, {"model.layers=32"}).size.parameters, 14'910'976);
}

}  // namespace
}  // namespace sparse_transformer
