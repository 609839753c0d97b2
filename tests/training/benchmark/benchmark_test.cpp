#include "training/benchmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "config/errors.h"
#include "model/size.h"

namespace sparse_transformer {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

Settings settings_of(const WordLists& layers, const WordLists& last = {}) {
  Settings settings;
  settings.data.source = DataSource::kGenerated;
  settings.data.shape = {8, 8, 3};
  settings.model.layers = 3;
  settings.model.width = 16;
  settings.model.heads = 2;
  settings.model.attention.layers = layers;
  settings.model.attention.last = last;
  settings.training.batch = 2;
  settings.training.device = DeviceChoice::kCpu;
  resolve(settings.model, 192, {8, 8, 3});
  return settings;
}

BenchmarkResult run(const Settings& settings, const BenchmarkSettings& how = {1, 2}) {
  return benchmark(settings, how, [](std::int64_t, std::int64_t) {});
}

TEST(Benchmark, TimesTheModelAndTheSameWithDenseAttention) {
  const Settings settings = settings_of({{"column"}, {"local"}});
  const BenchmarkResult result = run(settings);
  ASSERT_EQ(result.models.size(), 2U);
  EXPECT_EQ(result.models[0].pattern, "column, local");
  EXPECT_EQ(result.models[1].pattern, "dense");
  EXPECT_EQ(result.tokens(), 2 * 192);
  for (const TimedSteps& model : result.models) EXPECT_GT(model.seconds, 0.0);
  EXPECT_GT(result.product_flops, 1e6);
  const auto size = [](const Settings& of) {
    return model_size(of.model, sequence_layout(of), 1, false, {}).flops_per_token;
  };
  EXPECT_EQ(result.models[0].flops_per_token, size(settings));
  EXPECT_EQ(result.models[1].flops_per_token, size(settings_of({{"dense"}})));
}

TEST(Benchmark, DenseIsNotComparedWithItself) {
  EXPECT_EQ(run(settings_of({{"dense"}})).models.size(), 1U);
  EXPECT_EQ(run(settings_of({{"dense"}, {"dense", "dense"}})).models.size(), 2U);
}

TEST(Benchmark, NamesTheLastLayersToo) {
  EXPECT_EQ(run(settings_of({{"local"}, {"column"}}, {{"row", "column"}})).models[0].pattern,
            "local, column; at last [row, column]");
}

TEST(Benchmark, FewerThanOneRoundOrStepIsRefused) {
  EXPECT_THROW(run(settings_of({{"local"}}), {.steps = 0, .rounds = 1}), UserError);
  EXPECT_THROW(run(settings_of({{"local"}}), {.steps = 1, .rounds = 0}), UserError);
}

BenchmarkResult known_result() {
  return {.machine = {{"processor", "abacus"}, {"threads", "2"}},
          .settings = {.steps = 3, .rounds = 5},
          .sequences = 4,
          .length = 1000,
          .models = {{.pattern = "local", .seconds = 0.5, .flops_per_token = 1e6},
                     {.pattern = "dense", .seconds = 2.0, .flops_per_token = 5e6}},
          .product_size = 100,
          .product_flops = 4e10};
}

TEST(Benchmark, AsTextIsATableAndAComparison) {
  EXPECT_EQ(benchmark_text(known_result()),
            "abacus, 2 threads; 4 x 1,000 tokens a step; medians of 5 rounds of 3 steps\n"
            "attention  ms a step  tokens/s  FLOPs a token  FLOP/s  of a matrix product\n"
            "local          500.0     8.00k          1.00M   8.00G                20.0%\n"
            "dense         2000.0     2.00k          5.00M   10.0G                25.0%\n"
            "A matrix product, 100 x 100 in fp32: 40.0GFLOP/s.\n"
            "Sparse over dense: 0.250 of the time, 0.200 of the FLOPs.\n");
}

TEST(Benchmark, AsJsonHasTheSameFigures) {
  const Json json = Json::parse(benchmark_json(known_result()));
  EXPECT_EQ(json.at("machine").at("processor"), "abacus");
  EXPECT_EQ(json.at("matrix_product_flops_per_second"), 4e10);
  EXPECT_EQ(json.at("time_ratio"), 0.25);
  EXPECT_EQ(json.at("flops_ratio"), 0.2);
  const Json& local = json.at("models").at(0);
  EXPECT_EQ(local.at("pattern"), "local");
  EXPECT_EQ(local.at("ms_per_step"), 500.0);
  EXPECT_EQ(local.at("tokens_per_second"), 8000.0);
  EXPECT_EQ(local.at("flops_per_second"), 8e9);
  EXPECT_EQ(local.at("share_of_matrix_product"), 0.2);
  BenchmarkResult alone = known_result();
  alone.models.pop_back();
  EXPECT_FALSE(Json::parse(benchmark_json(alone)).contains("time_ratio"));
  EXPECT_THAT(benchmark_text(alone), testing::Not(HasSubstr("dense")));
}

}  // namespace
}  // namespace sparse_transformer
