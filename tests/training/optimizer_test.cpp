#include "training/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "training/schedule.h"

namespace sparse_transformer {
namespace {

NamedTensors two_tensors() {
  at::manual_seed(1);
  return {{"blocks.0.x.weight", at::randn({3, 5})}, {"blocks.0.x.bias", at::randn({3})}};
}

/// The update as the header writes it, in float64, with no library's optimizer.
class PlainAdam {
 public:
  explicit PlainAdam(const at::Tensor& weight)
      : w(weight.detach().to(at::kDouble).clone()), m_(at::zeros_like(w)), v_(at::zeros_like(w)) {}

  void update(const at::Tensor& gradient, double rate, double decay) {
    ++t_;
    const at::Tensor g = gradient.to(at::kDouble);
    m_ = 0.8 * m_ + 0.2 * g;
    v_ = 0.99 * v_ + 0.01 * g * g;
    const double corrected = rate * std::sqrt(1 - std::pow(0.99, t_)) / (1 - std::pow(0.8, t_));
    w = w - rate * decay * w - corrected * m_ / (v_.sqrt() + 1e-8);
  }

  at::Tensor w;

 private:
  at::Tensor m_, v_;
  int t_ = 0;
};

UpdateNumbers numbers(double divisor, double is_skipped) {
  return {.learning_rate = at::full({}, 0.01, at::kDouble),
          .average_share = at::full({}, 0.25),
          .divisor = at::full({}, divisor),
          .is_skipped = at::full({}, is_skipped)};
}

TEST(AdamW, FollowsTheFormulaWithClippingAndDecayOnMatricesOnly) {
  const NamedTensors parameters = two_tensors();
  PlainAdam matrix(parameters[0].tensor);
  PlainAdam bias(parameters[1].tensor);
  AdamW optimizer(parameters, {}, {.beta1 = 0.8, .beta2 = 0.99, .weight_decay = 0.1});
  constexpr double kClip = 1.0;
  for (int step = 0; step < 20; ++step) {
    // Some gradients above the clip, some below.
    const double size = step % 2 == 0 ? 1.0 : 0.01;
    const at::Tensor d_matrix = at::randn({3, 5}) * size;
    const at::Tensor d_bias = at::randn({3}) * size;
    parameters[0].tensor.mutable_grad() = d_matrix.clone();
    parameters[1].tensor.mutable_grad() = d_bias.clone();
    const double norm = std::sqrt((d_matrix.square().sum() + d_bias.square().sum()).item<double>());
    EXPECT_NEAR(optimizer.gradient_norm().item<double>(), norm, 1e-5);
    const double scale = std::min(1.0, kClip / norm);
    optimizer.update(numbers(1.0 / scale, 0.0));
    matrix.update(d_matrix * scale, 0.01, 0.1);
    bias.update(d_bias * scale, 0.01, 0.0);
  }
  EXPECT_LT((parameters[0].tensor - matrix.w).abs().max().item<double>(), 1e-5);
  EXPECT_LT((parameters[1].tensor - bias.w).abs().max().item<double>(), 1e-5);
}

void update(AdamW& optimizer, const NamedTensors& parameters, double gradient, double is_skipped) {
  for (const NamedTensor& parameter : parameters) {
    parameter.tensor.mutable_grad() = at::full_like(parameter.tensor.detach(), gradient);
  }
  optimizer.update(numbers(1.0, is_skipped));
}

TEST(AdamW, ASkippedUpdateChangesNothingAndIsNotCounted) {
  const NamedTensors with = two_tensors();
  const NamedTensors without = two_tensors();
  AdamW skipping(with, {}, {.weight_decay = 0.1});
  AdamW plain(without, {}, {.weight_decay = 0.1});
  for (int step = 0; step < 3; ++step) {
    update(skipping, with, 0.5, 0.0);
    update(plain, without, 0.5, 0.0);
    const auto before = with[0].tensor.detach().clone();
    update(skipping, with, std::numeric_limits<double>::quiet_NaN(), 1.0);
    EXPECT_TRUE(at::equal(with[0].tensor, before));
  }
  for (std::size_t i = 0; i < with.size(); ++i) {
    EXPECT_TRUE(at::allclose(with[i].tensor, without[i].tensor, 1e-6, 1e-8));
  }
  for (std::size_t i = 0; i < skipping.moments().size(); ++i) {
    EXPECT_TRUE(at::equal(skipping.moments()[i].tensor, plain.moments()[i].tensor));
  }
}

// Of gradients this small ε is most of the denominator.
TEST(AdamW, EpsilonIsThatOfTheUpdatesWithoutTheSkippedOnes) {
  const NamedTensors parameters = two_tensors();
  AdamW optimizer(parameters, {}, {.beta1 = 0.8, .beta2 = 0.99});
  const at::Tensor before = parameters[0].tensor.detach().clone();
  PlainAdam plain(parameters[0].tensor);
  for (const double is_skipped : {1.0, 1.0, 0.0, 1.0, 0.0}) {
    update(optimizer, parameters, 1e-8, is_skipped);
    if (is_skipped == 0.0) plain.update(at::full({3, 5}, 1e-8), 0.01, 0.0);
  }
  const at::Tensor moved = parameters[0].tensor.detach().to(at::kDouble) - before;
  EXPECT_TRUE(at::allclose(moved, plain.w - before, 1e-3, 0.0));
}

TEST(AdamW, AveragesFollowTheNewWeightsUnlessTheUpdateIsSkipped) {
  const NamedTensors parameters = two_tensors();
  NamedTensors averages;
  std::vector<at::Tensor> expected;
  for (const NamedTensor& parameter : parameters) {
    averages.push_back({parameter.name, parameter.tensor.clone()});
    expected.push_back(parameter.tensor.clone());
  }
  AdamW optimizer(parameters, averages, {});
  for (const double is_skipped : {0.0, 1.0, 0.0}) {
    update(optimizer, parameters, 0.5, is_skipped);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const at::Tensor weight = parameters[i].tensor.detach();
      if (is_skipped == 0.0) expected[i] = 0.75 * expected[i] + 0.25 * weight;
      EXPECT_TRUE(at::allclose(averages[i].tensor, expected[i], 1e-6, 1e-7));
    }
  }
}

TEST(AdamW, CopiesInHalfPrecisionFollowTheWeights) {
  NamedTensors parameters = two_tensors();
  parameters[0].rounded = at::zeros_like(parameters[0].tensor.detach(), at::kBFloat16);
  AdamW optimizer(parameters, {}, {});
  for (int step = 0; step < 2; ++step) {
    update(optimizer, parameters, 0.5, 0.0);
    EXPECT_TRUE(at::equal(parameters[0].rounded, parameters[0].tensor.to(at::kBFloat16)));
  }
}

TEST(AdamW, RestoredAfterSkippedStepsItGoesOnAsTheOther) {
  const NamedTensors whole = two_tensors();
  const NamedTensors resumed = two_tensors();
  AdamW uninterrupted(whole, {}, {.weight_decay = 0.1});
  for (const double is_skipped : {0.0, 1.0, 1.0, 0.0}) {
    update(uninterrupted, whole, 0.5, is_skipped);
  }
  AdamW restored(resumed, {}, {.weight_decay = 0.1});
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < whole.size(); ++i) resumed[i].tensor.copy_(whole[i].tensor);
  for (std::size_t i = 0; i < restored.moments().size(); ++i) {
    restored.moments()[i].tensor.copy_(uninterrupted.moments()[i].tensor);
  }
  restored.set_steps(4, 2);
  update(uninterrupted, whole, 0.25, 0.0);
  update(restored, resumed, 0.25, 0.0);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_TRUE(at::equal(resumed[i].tensor, whole[i].tensor));
  }
}

TEST(LearningRate, WarmsUpThenFallsAlongACosine) {
  TrainingSettings settings;
  settings.learning_rate = 2.0;
  settings.warmup = 10;
  EXPECT_DOUBLE_EQ(learning_rate(settings, 0, 110), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(settings, 9, 110), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(settings, 10, 110), 2.0);
  EXPECT_NEAR(learning_rate(settings, 60, 110), 1.0, 1e-12);
  EXPECT_NEAR(learning_rate(settings, 110, 110), 0.0, 1e-12);
  settings.schedule = Schedule::kConstant;
  EXPECT_DOUBLE_EQ(learning_rate(settings, 100, 110), 2.0);
}

}  // namespace
}  // namespace sparse_transformer
