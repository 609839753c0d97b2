#include "training/learner.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <numbers>

namespace sparse_transformer {
namespace {

Settings tiny_settings() {
  Settings settings;
  settings.data.source = DataSource::kGenerated;
  settings.data.shape = {4, 4, 3};
  settings.model.layers = 2;
  settings.model.width = 32;
  settings.model.heads = 2;
  settings.model.attention.layers = {{"local+column"}};
  settings.training.batch = 4;
  settings.training.warmup = 5;
  settings.training.learning_rate = 0.003;
  resolve(settings.model, 48, {4, 4, 3});
  return settings;
}

at::Tensor random_batch(const Settings& settings) {
  at::manual_seed(2);
  return at::randint(0, 256, {settings.training.batch, 48}, at::kByte);
}

std::vector<at::Tensor> weights_of(const Learner& learner) {
  std::vector<at::Tensor> weights;
  for (const NamedTensor& parameter : learner.model().parameters()) {
    weights.push_back(parameter.tensor.detach().clone());
  }
  return weights;
}

TEST(Learner, OverfitsOneBatchToUnderAFewHundredthsOfABit) {
  const Settings settings = tiny_settings();
  Learner learner(settings, at::kCPU);
  const at::Tensor batch = random_batch(settings);
  double bits = 8.0;
  for (std::int64_t step = 0; step < 600 && bits >= 0.05; ++step) {
    bits = learner.step(batch, step, 100000).loss.item<double>() / std::numbers::ln2;
  }
  EXPECT_LT(bits, 0.05);
}

TEST(Learner, GradientDoesNotDependOnHowTheStepIsSplitEvenWithDropout) {
  Settings settings = tiny_settings();
  settings.model.dropout = 0.2;
  const at::Tensor batch = random_batch(settings);
  Learner whole(settings, at::kCPU);
  settings.training.micro_batch = 1;
  Learner split(settings, at::kCPU);
  for (std::int64_t step = 0; step < 3; ++step) {
    const StepFigures a = whole.step(batch, step, 10);
    const StepFigures b = split.step(batch, step, 10);
    EXPECT_NEAR(a.loss.item<double>(), b.loss.item<double>(), 1e-5);
    EXPECT_NEAR(a.gradient_norm.item<double>(), b.gradient_norm.item<double>(), 1e-5);
  }
}

TEST(Learner, StepsRepeatBitForBit) {
  Settings settings = tiny_settings();
  settings.model.dropout = 0.2;
  const at::Tensor batch = random_batch(settings);
  Learner a(settings, at::kCPU);
  Learner b(settings, at::kCPU);
  for (std::int64_t step = 0; step < 3; ++step) {
    a.step(batch, step, 10);
    b.step(batch, step, 10);
  }
  const auto weights_a = weights_of(a);
  const auto weights_b = weights_of(b);
  for (std::size_t i = 0; i < weights_a.size(); ++i) {
    EXPECT_TRUE(at::equal(weights_a[i], weights_b[i]));
  }
}

TEST(Learner, AverageFollowsTheWeightsWithTheWarmedUpDecay) {
  Settings settings = tiny_settings();
  settings.training.average = 0.9;
  const at::Tensor batch = random_batch(settings);
  Learner learner(settings, at::kCPU);
  at::Tensor expected = learner.model().parameters()[0].tensor.detach().clone();
  for (std::int64_t step = 0; step < 4; ++step) {
    learner.step(batch, step, 10);
    const double t = static_cast<double>(step + 1);
    const double decay = std::min(0.9, (1 + t) / (10 + t));
    expected = decay * expected + (1 - decay) * learner.model().parameters()[0].tensor.detach();
  }
  const at::Tensor average = learner.best_model().parameters()[0].tensor;
  EXPECT_LT((average - expected).abs().max().item<double>(), 1e-6);
  EXPECT_FALSE(at::equal(average, learner.model().parameters()[0].tensor));
}

}  // namespace
}  // namespace sparse_transformer
