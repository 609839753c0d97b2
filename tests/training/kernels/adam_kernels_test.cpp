// The CUDA kernels of the optimizer, run block by block on the CPU (emulated_block.h).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/runtime/cuda/emulated_block.h"
#include "training/kernels/adam.cuh"
#include "training/optimizer.h"

namespace sparse_transformer {
namespace {

constexpr double kBeta1 = 0.8, kBeta2 = 0.99, kEpsilon = 1e-8, kDecay = 0.1;

/// Of a parameter, in float32 as the kernels have them.
struct Parameter {
  at::Tensor weight, gradient, first_moment, second_moment, average;
  double decay;

  AdamTensor tensor() const {
    const auto numbers = [](const at::Tensor& x) { return x.mutable_data_ptr<float>(); };
    return {.weight = numbers(weight),
            .gradient = numbers(gradient),
            .first_moment = numbers(first_moment),
            .second_moment = numbers(second_moment),
            .average = average.defined() ? numbers(average) : nullptr,
            .count = weight.numel(),
            .weight_decay = static_cast<float>(decay)};
  }
};

/// Every second one is decayed.
std::vector<Parameter> parameters_of(const std::vector<std::int64_t>& sizes, bool has_averages) {
  at::manual_seed(1);
  std::vector<Parameter> all;
  for (const std::int64_t size : sizes) {
    all.push_back({.weight = at::randn({size}),
                   .gradient = at::randn({size}),
                   .first_moment = at::zeros({size}),
                   .second_moment = at::zeros({size}),
                   .average = has_averages ? at::randn({size}) : at::Tensor(),
                   .decay = all.size() % 2 == 0 ? kDecay : 0.0});
  }
  return all;
}

/// More than two launches take, some of more than one chunk and some of none.
std::vector<std::int64_t> many_sizes() {
  std::vector<std::int64_t> sizes = {1, 3, 257, 0, 16384, 16385, 40001};
  for (std::int64_t i = 0; i < 2 * AdamWork::kMostTensors; ++i) sizes.push_back(5 + 7 * i);
  return sizes;
}

std::vector<AdamTensor> tensors_of(const std::vector<Parameter>& parameters) {
  std::vector<AdamTensor> tensors;
  for (const Parameter& parameter : parameters) tensors.push_back(parameter.tensor());
  return tensors;
}

template <typename Kernel>
void launch(std::int64_t blocks, Order order, const Kernel& kernel) {
  EmulatedBlock(kAdamThreads, kAdamShared * static_cast<int>(sizeof(float)), order,
                Arrival::kWhenAwaited)
      .run(blocks, [&](EmulatedThread& thread, std::int64_t block, std::uint16_t* shared) {
        kernel(thread, block, reinterpret_cast<float*>(shared));
      });
}

float norm_by_kernels(const std::vector<Parameter>& parameters, Order order = Order::kForwards) {
  std::vector<float> sums;
  for (const AdamWork& work : adam_works(tensors_of(parameters))) {
    const std::size_t before = sums.size();
    sums.resize(before + static_cast<std::size_t>(work.chunks()),
                std::numeric_limits<float>::quiet_NaN());
    launch(work.chunks(), order, [&](EmulatedThread& thread, std::int64_t block, float* shared) {
      adam_kernels::sum_squares(thread, work, block, sums.data() + before, shared);
    });
  }
  float norm = 0.0F;
  launch(1, order, [&](EmulatedThread& thread, std::int64_t, float* shared) {
    adam_kernels::take_norm(thread, sums.data(), static_cast<std::int32_t>(sums.size()), &norm,
                            shared);
  });
  return norm;
}

/// The numbers of one update.
struct Step {
  double learning_rate = 0.01;
  float updates = 1, average_share = 0.25F, divisor = 1, is_skipped = 0;
};

void update_by_kernels(const std::vector<Parameter>& parameters, const Step& step) {
  const AdamNumbers numbers = {.learning_rate = &step.learning_rate,
                               .updates = &step.updates,
                               .average_share = &step.average_share,
                               .divisor = &step.divisor,
                               .is_skipped = &step.is_skipped,
                               .beta1 = kBeta1,
                               .beta2 = kBeta2,
                               .epsilon = kEpsilon};
  for (const AdamWork& work : adam_works(tensors_of(parameters))) {
    launch(work.chunks(), Order::kBackwards,
           [&](EmulatedThread& thread, std::int64_t block, float* shared) {
             adam_kernels::update(thread, work, numbers, block, shared);
           });
  }
}

/// The formula in float64, with no library's optimizer.
struct Exact {
  explicit Exact(const Parameter& from)
      : weight(from.weight.to(at::kDouble)),
        first_moment(from.first_moment.to(at::kDouble)),
        second_moment(from.second_moment.to(at::kDouble)),
        average(from.average.defined() ? from.average.to(at::kDouble) : at::Tensor()),
        decay(from.decay) {}

  void update(const at::Tensor& gradient, const Step& step) {
    const at::Tensor g = gradient.to(at::kDouble) / step.divisor;
    first_moment = kBeta1 * first_moment + (1 - kBeta1) * g;
    second_moment = kBeta2 * second_moment + (1 - kBeta2) * g * g;
    const double size = step.learning_rate * std::sqrt(1 - std::pow(kBeta2, step.updates)) /
                        (1 - std::pow(kBeta1, step.updates));
    weight = weight - step.learning_rate * decay * weight -
             size * first_moment / (second_moment.sqrt() + kEpsilon);
    if (average.defined()) average = average + step.average_share * (weight - average);
  }

  at::Tensor weight, first_moment, second_moment, average;
  double decay;
};

void expect_near(const at::Tensor& result, const at::Tensor& exact) {
  EXPECT_TRUE(at::allclose(result.to(at::kDouble), exact, 1e-5, 1e-6))
      << "of " << result.numel() << " numbers";
}

TEST(AdamKernels, NormIsThatOfAllGradients) {
  const std::vector<Parameter> parameters = parameters_of(many_sizes(), false);
  double squares = 0.0;
  for (const Parameter& parameter : parameters) {
    squares += parameter.gradient.to(at::kDouble).square().sum().item<double>();
  }
  const float norm = norm_by_kernels(parameters);
  EXPECT_NEAR(norm / std::sqrt(squares), 1.0, 1e-6);
  EXPECT_EQ(norm, norm_by_kernels(parameters, Order::kBackwards)) << "depends on the schedule";
}

TEST(AdamKernels, NormIsNotFiniteWhereAGradientIsNot) {
  const std::vector<Parameter> parameters = parameters_of({5, 20000}, false);
  parameters[1].gradient[19999] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(std::isfinite(norm_by_kernels(parameters)));
}

// Decay, clip and averages of many tensors; skipped steps between.
TEST(AdamKernels, UpdatesFollowTheFormula) {
  const std::vector<Parameter> parameters = parameters_of(many_sizes(), true);
  std::vector<Exact> exact(parameters.begin(), parameters.end());
  Step step;
  for (const float is_skipped : {0.0F, 1.0F, 0.0F, 0.0F}) {
    step.is_skipped = is_skipped;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].gradient.normal_();
      if (is_skipped == 0) exact[i].update(parameters[i].gradient, step);
      if (is_skipped != 0) parameters[i].gradient.fill_(std::numeric_limits<float>::quiet_NaN());
    }
    update_by_kernels(parameters, step);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      expect_near(parameters[i].weight, exact[i].weight);
      expect_near(parameters[i].first_moment, exact[i].first_moment);
      expect_near(parameters[i].second_moment, exact[i].second_moment);
      expect_near(parameters[i].average, exact[i].average);
    }
    if (is_skipped == 0) ++step.updates;
    step.divisor *= 3;
    step.learning_rate *= 2;
  }
}

TEST(AdamKernels, UpdateAsTheCpusOptimizerDoesWithoutAverages) {
  const std::vector<Parameter> parameters = parameters_of({7, 300, 2}, false);
  NamedTensors on_cpu;
  for (const Parameter& parameter : parameters) {
    const at::Tensor weight = parameter.weight.clone();
    on_cpu.push_back({"weight", parameter.decay > 0.0 ? weight.unsqueeze(0) : weight});
  }
  AdamW optimizer(on_cpu, {}, {.beta1 = kBeta1, .beta2 = kBeta2, .weight_decay = kDecay});
  Step step;
  for (; step.updates <= 5; ++step.updates) {
    step.divisor = step.updates;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].gradient.normal_().mul_(1e-7);  // where ε matters
      on_cpu[i].tensor.mutable_grad() = parameters[i].gradient.clone().view_as(on_cpu[i].tensor);
    }
    update_by_kernels(parameters, step);
    optimizer.update({.learning_rate = at::full({}, step.learning_rate, at::kDouble),
                      .average_share = at::full({}, step.average_share),
                      .divisor = at::full({}, step.divisor),
                      .is_skipped = at::zeros({})});
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor weight = on_cpu[i].tensor.detach().view({-1});
    EXPECT_TRUE(at::allclose(parameters[i].weight, weight, 1e-5, 1e-6));
  }
}

}  // namespace
}  // namespace sparse_transformer
