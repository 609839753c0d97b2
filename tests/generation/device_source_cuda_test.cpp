// Sampling on a GPU, a graph a token; skipped where there is none.
#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <limits>

#include "config/errors.h"
#include "generation/sampler.h"
#include "generation/token_source.h"
#include "generation/token_uniform.h"
#include "runtime/stop.h"
#include "tests/generation/small_model.h"

namespace sparse_transformer {
namespace {

std::unique_ptr<Transformer> model_on_gpu(SmallModel m, const Computation& computation = {}) {
  m.head_width = 16;  // of queries 8: as the kernels ask
  auto model = make_model(m, computation);
  move_parameters(*model, at::kCUDA);
  return model;
}

BatchDraw batch_of(const SamplingSettings& settings, const Transformer& model) {
  return {.first = 0,
          .size = settings.count,
          .length = sample_length(settings, model.layout().length),
          .prime = settings.prime,
          .choice = settings.choice,
          .seed = settings.seed};
}

/// All tokens that a source draws, at most so many at a time, without the prime.
at::Tensor drawn(TokenSource& source, const BatchDraw& batch, std::int64_t most) {
  std::vector<at::Tensor> parts;
  for (std::int64_t position = std::ssize(batch.prime); position < batch.length;) {
    parts.push_back(source.draw(most));
    position += parts.back().size(1);
  }
  return at::cat(parts, 1);
}

class DeviceSourceCuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
    const auto model = model_on_gpu({});
    const SamplingSettings settings;
    if (!device_source(*model, batch_of(settings, *model))) {
      GTEST_SKIP() << "no kernels for this GPU in this build";
    }
  }
};

void expect_tokens_of_the_host(const SmallModel& m, const SamplingSettings& settings) {
  SCOPED_TRACE(model_name(m));
  const auto model = model_on_gpu(m);
  const BatchDraw batch = batch_of(settings, *model);
  const auto on_device = device_source(*model, batch);
  ASSERT_TRUE(on_device);
  const at::Tensor expected = drawn(*host_source(*model, batch), batch, 1);
  EXPECT_TRUE(at::equal(drawn(*on_device, batch, 5), expected));
}

// First and small: for compute-sanitizer.
TEST_F(DeviceSourceCuda, SmallCase) { expect_tokens_of_the_host({}, {.count = 2}); }

TEST_F(DeviceSourceCuda, DrawsTheTokensOfTheHostForEveryPattern) {
  for (const SmallModel& m : small_models()) expect_tokens_of_the_host(m, {.count = 3, .seed = 9});
}

TEST_F(DeviceSourceCuda, ContinuesAPrimeWithEveryChoice) {
  const SmallModel m = {.layers = {{"fixed", "local+column"}}, .n = 39, .stride = 6};
  for (const TokenChoice& choice : {TokenChoice{.temperature = 0.0}, TokenChoice{.top_k = 40},
                                    TokenChoice{.temperature = 0.8, .top_p = 0.9}}) {
    expect_tokens_of_the_host(m, {.count = 2, .prime = {1, 2, 3, 250, 7, 7}, .choice = choice});
  }
  const std::vector<std::uint8_t> all_but_one(38, 5);
  expect_tokens_of_the_host(m, {.count = 2, .prime = all_but_one});
}

/// Every drawn token must be what its uniform number picks from the distribution that the model
/// has over whole sequences, where cumulative probabilities may be off by `tolerance`.
void expect_picked(const Transformer& model, const Samples& samples,
                   const SamplingSettings& settings, double tolerance) {
  const at::NoGradGuard no_gradients;
  const std::int64_t n = std::ssize(samples[0]);
  const at::Tensor tokens = at::empty({std::ssize(samples), n}, at::kByte);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    std::copy(samples[i].begin(), samples[i].end(),
              tokens.data_ptr<std::uint8_t>() + static_cast<std::int64_t>(i) * n);
  }
  const at::Tensor ends =
      model.forward(tokens.to(model.device())).to(at::kCPU, at::kDouble).softmax(2).cumsum(2);
  for (std::int64_t i = 0; i < tokens.size(0); ++i) {
    for (std::int64_t t = std::ssize(settings.prime); t < n; ++t) {
      const auto token = tokens[i][t].item<std::int64_t>();
      const double uniform = token_uniform(settings.seed, i, t);
      const double begin = token == 0 ? 0.0 : ends[i][t][token - 1].item<double>();
      ASSERT_GT(uniform, begin - tolerance) << "sample " << i << ", position " << t;
      ASSERT_LT(uniform, ends[i][t][token].item<double>() + tolerance);
    }
  }
}

TEST_F(DeviceSourceCuda, DrawsFromTheModelOfWholeSequencesInEveryPrecision) {
  const SmallModel m = {.layers = {{"local+column"}, {"fixed"}}, .n = 39, .stride = 6};
  for (const auto& [precision, tolerance] :
       {std::pair(Precision::kFloat32, 1e-4), std::pair(Precision::kBfloat16, 0.1),
        std::pair(Precision::kFloat16, 0.02)}) {
    const auto model = model_on_gpu(m, {.precision = precision});
    for (const std::int64_t batch : {1, 64}) {
      const SamplingSettings settings = {.count = batch, .batch = batch, .prime = {4, 5, 6}};
      Samples samples;
      draw_samples(*model, settings, samples);
      expect_picked(*model, samples, settings, tolerance);
    }
  }
}

TEST_F(DeviceSourceCuda, RepeatsBitForBit) {
  const auto model = model_on_gpu({.n = 39, .stride = 6}, {.precision = Precision::kBfloat16});
  Samples one, other;
  draw_samples(*model, {.count = 5, .batch = 3}, one);
  draw_samples(*model, {.count = 5, .batch = 3}, other);
  EXPECT_EQ(one, other);
}

TEST_F(DeviceSourceCuda, StoppedKeepsWhatIsDrawn) {
  const auto model = model_on_gpu({});
  const SamplingSettings settings = {.count = 5, .batch = 2};
  Samples whole;
  draw_samples(*model, settings, whole);
  Samples samples;
  const auto stop_in_the_second_batch = [](std::int64_t done, std::int64_t /*total*/) {
    if (done > 2 * 23 + 2 * 4 && done < 4 * 23) std::raise(SIGINT);
  };
  {
    const StopSignals signals;
    EXPECT_THROW(draw_samples(*model, settings, samples, stop_in_the_second_batch), Interrupted);
  }
  const StopSignals forget_the_stop;
  ASSERT_EQ(samples.size(), 4U);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_TRUE(i < 2 ? samples[i].size() == 23 : samples[i].size() < 23);
    EXPECT_GT(samples[i].size(), 4U);
    EXPECT_TRUE(std::equal(samples[i].begin(), samples[i].end(), whole[i].begin()));
  }
}

TEST_F(DeviceSourceCuda, RefusesAModelThatIsNotFinite) {
  const auto model = model_on_gpu({});
  model->output().fill_(std::numeric_limits<double>::quiet_NaN());
  Samples samples;
  EXPECT_THROW(draw_samples(*model, {}, samples), WorldError);
}

TEST_F(DeviceSourceCuda, PlainKernelsStayOnTheHost) {
  const auto model = model_on_gpu({}, {.kernels = Kernels::kPlain});
  const SamplingSettings settings;
  EXPECT_FALSE(device_source(*model, batch_of(settings, *model)));
}

}  // namespace
}  // namespace sparse_transformer
