#include "training/benchmark/benchmark.h"

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

BenchmarkResult run(const Settings& settings, const BenchmarkSettings& how) {
  return benchmark(settings, how, [](std::int64_t, std::int64_t) {});
}

BenchmarkSettings only(BenchmarkPart part) {
  return {.parts = {part}, .steps = 1, .rounds = 2, .batch = {1, 3}};
}

TEST(Benchmark, TimesTheModelAndTheSameWithDenseAttention) {
  const Settings settings = settings_of({{"column"}, {"local"}});
  const BenchmarkResult result = run(settings, only(BenchmarkPart::kStep));
  EXPECT_EQ(result.rounds, 2);
  EXPECT_TRUE(result.attention.empty() && result.sampling.empty() && result.left_out.empty());
  ASSERT_EQ(result.models.size(), 2U);
  EXPECT_EQ(result.models[0].pattern, "column, local");
  EXPECT_EQ(result.models[1].pattern, "dense");
  EXPECT_EQ(result.tokens(), 2 * 192);
  for (const TimedSteps& model : result.models) EXPECT_GT(model.seconds, 0.0);
  const auto size = [](const Settings& of) {
    return model_size(of.model, sequence_layout(of), 1, false, {}).flops_per_token;
  };
  EXPECT_DOUBLE_EQ(result.models[0].flops_per_token, size(settings));
  EXPECT_DOUBLE_EQ(result.models[1].flops_per_token, size(settings_of({{"dense"}})));
  EXPECT_DOUBLE_EQ(result.models[0].work.flops, 2 * 192 * size(settings));
}

TEST(Benchmark, MeasuresTheLimits) {
  Settings settings = settings_of({{"local"}});
  const BenchmarkResult result = run(settings, only(BenchmarkPart::kAttention));
  EXPECT_GT(result.limits.product_flops, 1e6);
  EXPECT_GT(result.limits.copy_bytes, 1e6);
  EXPECT_EQ(result.limits.product_precision, Precision::kFloat32);
}

TEST(Benchmark, MeasuresTheMemoryOfAStep) {
  Settings settings = settings_of({{"local"}});
  settings.training.average = 0.0;
  const auto peak = run(settings, only(BenchmarkPart::kStep)).models[0].peak_bytes;
  if (!peak) GTEST_SKIP() << "the system does not tell";
  const auto weights =
      model_size(settings.model, sequence_layout(settings), 2, false, {}).parameters;
  EXPECT_GE(*peak, 3 * 4 * weights);  // and two moments
  EXPECT_LT(*peak, 64 << 20);         // the libraries are not counted
}

TEST(Benchmark, TimesEachPatternsAttentionOnceAndDense) {
  Settings settings = settings_of({{"local"}, {"column"}, {"local"}});
  settings.training.micro_batch = 1;
  const BenchmarkResult result = run(settings, only(BenchmarkPart::kAttention));
  ASSERT_EQ(result.attention.size(), 3U);
  EXPECT_EQ(result.attention_tokens(), 192);
  // n = 192, l = 24; paper.md §1.
  const std::vector<std::pair<std::string, double>> pairs = {
      {"local", 24 * 25 / 2 + 168 * 24}, {"column", 24 * 8 * 9 / 2}, {"dense", 192 * 193 / 2}};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const TimedAttention& timed = result.attention[i];
    EXPECT_EQ(timed.pattern, pairs[i].first);
    EXPECT_DOUBLE_EQ(timed.pairs_per_query, pairs[i].second / 192);
    EXPECT_DOUBLE_EQ(timed.work.flops, 3.5 * 2 * (8 + 8) * 2 * pairs[i].second);  // two heads of 8
    EXPECT_GT(timed.seconds, 0.0);
  }
}

TEST(Benchmark, TimesSampling) {
  const BenchmarkResult result = run(settings_of({{"dense"}}), only(BenchmarkPart::kSampling));
  ASSERT_EQ(result.sampling.size(), 2U);
  EXPECT_EQ(result.sampling[0].sequences, 1);
  EXPECT_EQ(result.sampling[1].sequences, 3);
  // Keys and values of 8 numbers each in two heads of three layers.
  EXPECT_GE(result.sampling[0].cache_bytes, 192 * 3 * 2 * 16 * 4);
  EXPECT_EQ(result.sampling[1].cache_bytes, 3 * result.sampling[0].cache_bytes);
  for (const TimedSampling& timed : result.sampling) EXPECT_GT(timed.seconds, 0.0);
}

TEST(Benchmark, SequencesTooShortToBeSampledInPlacesAreLeftOut) {
  Settings settings = settings_of({{"local"}});
  settings.data.shape = {2, 2, 3};
  settings.model.attention.stride = 6;
  resolve(settings.model, 12, {2, 2, 3});
  const BenchmarkResult result = run(settings, only(BenchmarkPart::kSampling));
  EXPECT_TRUE(result.sampling.empty());
  EXPECT_THAT(result.left_out, testing::ElementsAre(HasSubstr("12 tokens are too short")));
}

/// Of large pictures: with a side of 128, n = 49,152 and dense attention has 10^9 pairs a head.
Settings long_settings(const WordLists& layers, std::int64_t side) {
  Settings settings = settings_of(layers);
  settings.data.shape = {side, side, 3};
  settings.model.attention.stride = 8;
  resolve(settings.model, side * side * 3, {side, side, 3});
  settings.training.batch = 1;
  return settings;
}

TEST(Benchmark, WhatWouldTakeTooLongIsLeftOut) {
  BenchmarkSettings how = only(BenchmarkPart::kAttention);
  how.steps = 20;
  how.seconds = 1;
  const BenchmarkResult result = run(long_settings({{"local"}}, 128), how);
  ASSERT_EQ(result.attention.size(), 1U);
  EXPECT_EQ(result.attention[0].pattern, "local");
  EXPECT_THAT(result.left_out, testing::ElementsAre(HasSubstr("attention alone, dense")));
}

TEST(Benchmark, EveryPartThatWouldTakeTooLongIsLeftOut) {
  const BenchmarkResult result =
      run(long_settings({{"dense"}}, 512), {.steps = 20, .rounds = 1, .seconds = 1, .batch = {1}});
  EXPECT_TRUE(result.attention.empty() && result.models.empty() && result.sampling.empty());
  EXPECT_THAT(result.left_out, testing::ElementsAre(HasSubstr("attention alone, dense"),
                                                    HasSubstr("training steps, dense"),
                                                    HasSubstr("sampling, 1 at a time")));
  EXPECT_GT(result.limits.product_flops, 0.0);
}

TEST(Benchmark, DenseIsNotComparedWithItself) {
  const auto models = [](const WordLists& layers) {
    return run(settings_of(layers), only(BenchmarkPart::kStep)).models.size();
  };
  EXPECT_EQ(models({{"dense"}}), 1U);
  EXPECT_EQ(models({{"dense"}, {"dense", "dense"}}), 2U);
  EXPECT_EQ(run(settings_of({{"dense"}}), only(BenchmarkPart::kAttention)).attention.size(), 1U);
}

TEST(Benchmark, NamesTheLastLayersToo) {
  EXPECT_EQ(
      run(settings_of({{"local"}, {"column"}}, {{"row", "column"}}), only(BenchmarkPart::kStep))
          .models[0]
          .pattern,
      "local, column; at last [row, column]");
}

TEST(Benchmark, NumbersBelowOneAreRefused) {
  const Settings settings = settings_of({{"local"}});
  EXPECT_THROW(run(settings, {.steps = 0}), UserError);
  EXPECT_THROW(run(settings, {.rounds = 0}), UserError);
  EXPECT_THROW(run(settings, {.seconds = 0}), UserError);
  EXPECT_THROW(run(settings, {.batch = {4, 0}}), UserError);
}

BenchmarkResult known_result() {
  return {.machine = {{"processor", "abacus"}, {"threads", "2"}},
          .steps = 3,
          .rounds = 5,
          .sequences = 4,
          .length = 1000,
          .sequences_at_a_time = 2,
          .heads = 2,
          .query_width = 64,
          .value_width = 128,
          .limits = {.product_size = 100,
                     .product_flops = 4e10,
                     .copied_bytes = 1024,
                     .copy_bytes = 2e9},
          .attention = {{.pattern = "local",
                         .pairs_per_query = 31.5,
                         .work = {.flops = 2e9, .bytes = 2e6},
                         .seconds = 0.1}},
          .models = {{.pattern = "local",
                      .flops_per_token = 1e6,
                      .work = {.flops = 4e9, .bytes = 4e8},
                      .seconds = 0.5,
                      .peak_bytes = 3 << 20},
                     {.pattern = "dense",
                      .flops_per_token = 5e6,
                      .work = {.flops = 20e9, .bytes = 4e8},
                      .seconds = 2.0}},
          .sampling = {{.sequences = 16,
                        .work = {.flops = 1e6, .bytes = 2e6},
                        .seconds = 0.004,
                        .cache_bytes = 2048}},
          .left_out = {"attention alone, dense: 2h a run at least"}};
}

TEST(Benchmark, AsTextIsTables) {
  EXPECT_EQ(
      benchmark_text(known_result()),
      "abacus, 2 threads; in fp32; medians of 5 rounds\n"
      "Limits: a matrix product, 100 x 100 in fp32, 40.0GFLOP/s; a copy of 1.0 KiB, 2.00GB/s read "
      "and written.\n"
      "\n"
      "attention alone     ms  tokens/s  keys a query  FLOPs  FLOP/s  of the limit\n"
      "local            100.0     20.0k          31.5  2.00G   20.0G         50.0%\n"
      "Forward and backward, 2 x 1,000 tokens, 2 heads of 64, values of 128.\n"
      "\n"
      "training step      ms  tokens/s  peak memory  FLOPs a token  FLOP/s    MFU  of the limit\n"
      "local           500.0     8.00k      3.0 MiB          1.00M   8.00G  20.0%         40.0%\n"
      "dense          2000.0     2.00k            ?          5.00M   10.0G  25.0%         25.0%\n"
      "4 x 1,000 tokens, 3 steps a round. MFU: FLOP/s, of the matrix product's.\n"
      "Sparse over dense: 0.250 of the time, 0.200 of the FLOPs.\n"
      "\n"
      "sampling      ms a token of each  tokens/s    cache  of the limit\n"
      "16 sequences               4.000     4.00k  2.0 KiB         25.0%\n"
      "Means over the positions of a sequence.\n"
      "\n"
      "Left out: attention alone, dense: 2h a run at least\n");
}

TEST(Benchmark, AsJsonHasTheSameFigures) {
  const Json json = Json::parse(benchmark_json(known_result()));
  EXPECT_EQ(json.at("machine").at("processor"), "abacus");
  EXPECT_EQ(json.at("matrix_product_flops_per_second"), 4e10);
  EXPECT_EQ(json.at("copy_bytes_per_second"), 2e9);
  EXPECT_EQ(json.at("time_ratio"), 0.25);
  EXPECT_EQ(json.at("flops_ratio"), 0.2);
  const Json& alone = json.at("attention").at(0);
  EXPECT_EQ(alone.at("pattern"), "local");
  EXPECT_EQ(alone.at("ms"), 100.0);
  EXPECT_EQ(alone.at("tokens_per_second"), 20000.0);
  EXPECT_EQ(alone.at("pairs_per_query"), 31.5);
  EXPECT_EQ(alone.at("flops"), 2e9);
  EXPECT_EQ(alone.at("bytes"), 2e6);
  EXPECT_EQ(alone.at("flops_per_second"), 2e10);
  EXPECT_EQ(alone.at("floor_ms"), 50.0);
  EXPECT_EQ(alone.at("share_of_limit"), 0.5);
  const Json& steps = json.at("models").at(0);
  EXPECT_EQ(steps.at("pattern"), "local");
  EXPECT_EQ(steps.at("ms_per_step"), 500.0);
  EXPECT_EQ(steps.at("tokens_per_second"), 8000.0);
  EXPECT_EQ(steps.at("flops_per_token"), 1e6);
  EXPECT_EQ(steps.at("flops_per_second"), 8e9);
  EXPECT_EQ(steps.at("peak_memory_bytes"), 3 << 20);
  EXPECT_EQ(steps.at("mfu"), 0.2);
  EXPECT_EQ(steps.at("share_of_limit"), 0.4);  // of the copy
  EXPECT_TRUE(json.at("models").at(1).at("peak_memory_bytes").is_null());
  const Json& sampling = json.at("sampling").at(0);
  EXPECT_EQ(sampling.at("sequences"), 16);
  EXPECT_EQ(sampling.at("ms_per_token"), 4.0);
  EXPECT_EQ(sampling.at("tokens_per_second"), 4000.0);
  EXPECT_EQ(sampling.at("cache_bytes"), 2048);
  EXPECT_EQ(sampling.at("share_of_limit"), 0.25);
  EXPECT_EQ(json.at("left_out").size(), 1U);
}

TEST(Benchmark, WithoutDenseThereIsNoComparison) {
  BenchmarkResult alone = known_result();
  alone.models.pop_back();
  EXPECT_FALSE(Json::parse(benchmark_json(alone)).contains("time_ratio"));
  EXPECT_THAT(benchmark_text(alone), testing::Not(HasSubstr("Sparse over dense")));
}

TEST(Benchmark, PartsThatWereNotAskedForHaveNoTable) {
  BenchmarkResult result = known_result();
  result.attention.clear();
  result.sampling.clear();
  result.left_out.clear();
  const std::string text = benchmark_text(result);
  EXPECT_THAT(text, testing::Not(HasSubstr("attention alone")));
  EXPECT_THAT(text, testing::Not(HasSubstr("sampling")));
  EXPECT_THAT(text, testing::EndsWith("of the FLOPs.\n"));
}

}  // namespace
}  // namespace sparse_transformer
