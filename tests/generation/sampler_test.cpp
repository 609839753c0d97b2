#include "generation/sampler.h"

#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "config/errors.h"
#include "generation/token_uniform.h"
#include "runtime/stop.h"
#include "tests/generation/small_model.h"

namespace sparse_transformer {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

Samples drawn(const Transformer& model, const SamplingSettings& settings) {
  Samples samples;
  draw_samples(model, settings, samples);
  return samples;
}

/// The same samples by the definition: the whole model over the whole sequence for every token.
Samples drawn_without_cache(const Transformer& model, const SamplingSettings& settings) {
  const at::NoGradGuard no_gradients;
  Samples samples(static_cast<std::size_t>(settings.count), settings.prime);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    for (std::int64_t t = std::ssize(settings.prime); t < model.layout().length; ++t) {
      const at::Tensor tokens = at::zeros({1, t + 1}, at::kByte);
      std::copy(samples[i].begin(), samples[i].end(), tokens.data_ptr<std::uint8_t>());
      const at::Tensor logits = model.forward(tokens)[0][t].to(at::kDouble).contiguous();
      const std::span<const double, 256> row(logits.const_data_ptr<double>(), 256);
      samples[i].push_back(token_at(token_probabilities(row, settings.choice),
                                    token_uniform(settings.seed, static_cast<std::int64_t>(i), t)));
    }
  }
  return samples;
}

TEST(Sampler, DrawsTheSameTokensAsWithoutACacheForEveryPattern) {
  for (const SmallModel& m : small_models()) {
    SCOPED_TRACE(model_name(m));
    const auto model = make_model(m);
    const SamplingSettings settings = {.count = 2, .seed = 9};
    EXPECT_EQ(drawn(*model, settings), drawn_without_cache(*model, settings));
  }
}

TEST(Sampler, ContinuesAPrimeAsWithoutACache) {
  const auto model = make_model({.layers = {{"fixed", "local+column"}}, .n = 39, .stride = 6});
  const SamplingSettings settings = {
      .count = 2, .prime = {1, 2, 3, 250, 251, 252, 7, 7}, .choice = {.top_k = 40, .top_p = 0.9}};
  EXPECT_EQ(drawn(*model, settings), drawn_without_cache(*model, settings));
}

TEST(Sampler, ASampleContinuedFromItsOwnBeginningIsTheSameSample) {
  const auto model = make_model({.n = 39, .stride = 6});
  const Samples samples = drawn(*model, {});
  for (const std::int64_t prime : {1, 6, 20, 38}) {
    const SamplingSettings settings = {.prime = {samples[0].begin(), samples[0].begin() + prime}};
    EXPECT_EQ(drawn(*model, settings), samples) << "prime of " << prime;
  }
}

TEST(Sampler, ASampleDependsNeitherOnTheBatchNorOnTheCount) {
  const auto model = make_model({.n = 39, .stride = 6});
  const Samples samples = drawn(*model, {.count = 7});
  for (const std::int64_t batch : {1, 2, 3, 7}) {
    EXPECT_EQ(drawn(*model, {.count = 7, .batch = batch}), samples) << "batches of " << batch;
  }
  for (const std::int64_t count : {1, 4}) {
    EXPECT_EQ(drawn(*model, {.count = count}), Samples(samples.begin(), samples.begin() + count));
  }
}

TEST(Sampler, SamplesAndSeedsDiffer) {
  const auto model = make_model({});
  const Samples samples = drawn(*model, {.count = 2, .seed = 1});
  EXPECT_NE(samples[0], samples[1]);
  EXPECT_NE(samples, drawn(*model, {.count = 2, .seed = 2}));
  EXPECT_EQ(samples, drawn(*model, {.count = 2, .seed = 1}));
}

TEST(Sampler, TemperatureZeroTakesTheMostLikelyTokenWhateverTheSeed) {
  const auto model = make_model({});
  const Samples samples = drawn(*model, {.choice = {.temperature = 0.0}, .seed = 1});
  EXPECT_EQ(samples, drawn(*model, {.choice = {.temperature = 0.0}, .seed = 2}));
  const at::NoGradGuard no_gradients;
  at::Tensor tokens = at::zeros({1, std::ssize(samples[0])}, at::kByte);
  std::copy(samples[0].begin(), samples[0].end(), tokens.data_ptr<std::uint8_t>());
  EXPECT_TRUE(at::equal(model->forward(tokens).argmax(2), tokens.to(at::kLong)));
}

TEST(Sampler, StopsAtTheLengthAskedFor) {
  const auto model = make_model({});
  const Samples samples = drawn(*model, {.length = 9});
  EXPECT_EQ(samples[0].size(), 9U);
  const Samples whole = drawn(*model, {});
  EXPECT_EQ(whole[0].size(), 23U);
  EXPECT_TRUE(std::equal(samples[0].begin(), samples[0].end(), whole[0].begin()));
}

TEST(Sampler, TellsItsProgress) {
  const auto model = make_model({});
  std::vector<std::int64_t> told;
  Samples samples;
  draw_samples(*model, {.count = 3, .batch = 2, .length = 5, .prime = {1, 2}}, samples,
               [&](std::int64_t done, std::int64_t total) {
                 EXPECT_EQ(total, 9);
                 told.push_back(done);
               });
  EXPECT_THAT(told, testing::ElementsAre(2, 4, 6, 7, 8, 9));
}

TEST(Sampler, StoppedKeepsWhatIsDrawn) {
  const auto model = make_model({});
  const SamplingSettings settings = {.count = 5, .batch = 2};
  const Samples whole = drawn(*model, settings);
  Samples samples;
  const auto stop_in_the_second_batch = [](std::int64_t done, std::int64_t /*total*/) {
    if (done == 2 * 23 + 2 * 4) std::raise(SIGINT);
  };
  {
    const StopSignals signals;
    EXPECT_THROW(draw_samples(*model, settings, samples, stop_in_the_second_batch), Interrupted);
  }
  const StopSignals forget_the_stop;
  ASSERT_EQ(samples.size(), 4U);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(samples[i].size(), i < 2 ? 23U : 4U);
    EXPECT_TRUE(std::equal(samples[i].begin(), samples[i].end(), whole[i].begin()));
  }
}

void expect_refused(const SamplingSettings& settings, const std::string& message) {
  const auto model = make_model({});
  EXPECT_THAT([&] { drawn(*model, settings); }, ThrowsMessage<SettingError>(HasSubstr(message)));
}

TEST(Sampler, RefusesSettingsOutOfRangeByTheirOption) {
  expect_refused({.count = 0}, "--count: 0 is not between 1 and 100000");
  expect_refused({.batch = 0}, "--batch: 0 is not between 1 and 100000");
  expect_refused({.length = 24}, "--length: 24 is not between 1 and the model's sequence of 23");
  expect_refused({.length = -1}, "--length: -1 is not");
  expect_refused({.choice = {.temperature = -0.5}}, "--temperature: -0.5 is not at least 0");
  expect_refused({.choice = {.temperature = NAN}}, "--temperature: nan is not");
  expect_refused({.choice = {.top_k = 257}}, "--top-k: 257 is not between 0 and 256");
  expect_refused({.choice = {.top_p = 0.0}}, "--top-p: 0 is not above 0 and at most 1");
  expect_refused({.choice = {.top_p = 1.5}}, "--top-p: 1.5 is not above 0 and at most 1");
  expect_refused({.length = 4, .prime = {1, 2, 3, 4}},
                 "--prime: 4 tokens leave none to draw in a sample of 4");
}

}  // namespace
}  // namespace sparse_transformer
