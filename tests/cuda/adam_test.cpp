// Norm of the gradients and Adam (training/kernels/adam.cu) against the formula in float64.
#include "training/kernels/adam.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/cuda/device_buffer.h"
#include "tests/cuda/half.h"
#include "tests/cuda/random_numbers.h"

namespace sparse_transformer {
namespace {

constexpr double kBeta1 = 0.8, kBeta2 = 0.99, kEpsilon = 1e-8, kDecay = 0.1;
constexpr std::uint16_t kPoison = 0xffff;  // DeviceBuffer's
constexpr std::size_t kTensorsOfALaunch = 56;

/// A parameter on the device, and what it should be in float64.
struct Parameter {
  Parameter(std::size_t size, bool has_average, bool has_rounded, double its_decay,
            RandomNumbers& random)
      : weight(random.normal(size)),
        gradient(random.normal(size)),
        first_moment(std::vector<float>(size)),
        second_moment(std::vector<float>(size)),
        average(random.normal(has_average ? size : 0)),
        rounded(has_rounded ? size : 0),
        rounded_type(size % 2 == 0 ? HalfType::kFloat16 : HalfType::kBfloat16),
        decay(its_decay),
        exact_weight(wide(weight)),
        exact_first(size),
        exact_second(size),
        exact_average(wide(average)) {}

  AdamTensor tensor() const {
    return {.weight = weight.data(),
            .gradient = gradient.data(),
            .first_moment = first_moment.data(),
            .second_moment = second_moment.data(),
            .average = average.size() > 0 ? average.data() : nullptr,
            .rounded = rounded.size() > 0 ? rounded.data() : nullptr,
            .rounded_type = rounded_type,
            .weight_decay = static_cast<float>(decay),
            .count = static_cast<std::int64_t>(weight.size())};
  }

  static std::vector<double> wide(const DeviceBuffer<float>& x) {
    const std::vector<float> numbers = x.read();
    return {numbers.begin(), numbers.end()};
  }

  DeviceBuffer<float> weight, gradient, first_moment, second_moment, average;
  DeviceBuffer<std::uint16_t> rounded;
  HalfType rounded_type;
  double decay;
  std::vector<double> exact_weight, exact_first, exact_second, exact_average;
};

/// Sizes of more than two launches; some tensors of several chunks, some of none.
std::vector<std::size_t> many_sizes() {
  std::vector<std::size_t> sizes = {1, 3, 257, 0, 16384, 16385, 40001};
  for (std::size_t i = 0; i < 2 * kTensorsOfALaunch; ++i) sizes.push_back(5 + 7 * i);
  return sizes;
}

std::vector<Parameter> make_parameters(const std::vector<std::size_t>& sizes, bool has_averages) {
  RandomNumbers random(1);
  std::vector<Parameter> parameters;
  parameters.reserve(sizes.size());
  for (const std::size_t size : sizes) {
    const std::size_t i = parameters.size();
    parameters.emplace_back(size, has_averages, i % 3 != 0, i % 2 == 0 ? kDecay : 0.0, random);
  }
  return parameters;
}

std::vector<AdamTensor> tensors_of(const std::vector<Parameter>& parameters) {
  std::vector<AdamTensor> tensors;
  for (const Parameter& parameter : parameters) tensors.push_back(parameter.tensor());
  return tensors;
}

float gradient_norm(const std::vector<Parameter>& parameters) {
  const std::vector<AdamTensor> tensors = tensors_of(parameters);
  const DeviceBuffer<float> sums(static_cast<std::size_t>(gradient_norm_sums(tensors)));
  const DeviceBuffer<float> norm(1);
  expect_success(launch_gradient_norm(tensors, sums.data(), norm.data(), nullptr));
  return norm.read()[0];
}

/// The numbers of one update.
struct Step {
  double learning_rate = 0.01;
  float updates = 1, average_share = 0.25F, divisor = 1, is_skipped = 0;
  double beta2 = kBeta2;
};

void update(const std::vector<Parameter>& parameters, const Step& step) {
  const DeviceBuffer<double> learning_rate(std::vector<double>{step.learning_rate});
  const DeviceBuffer<float> numbers(
      std::vector<float>{step.updates, step.average_share, step.divisor, step.is_skipped});
  expect_success(launch_adam(tensors_of(parameters),
                             {.learning_rate = learning_rate.data(),
                              .updates = numbers.data(),
                              .average_share = numbers.data() + 1,
                              .divisor = numbers.data() + 2,
                              .is_skipped = numbers.data() + 3,
                              .beta1 = kBeta1,
                              .beta2 = step.beta2,
                              .epsilon = kEpsilon},
                             nullptr));
}

void update_exactly(Parameter& parameter, const Step& step) {
  const std::vector<double> gradient = Parameter::wide(parameter.gradient);
  const double size = step.learning_rate * std::sqrt(1 - std::pow(step.beta2, step.updates)) /
                      (1 - std::pow(kBeta1, step.updates));
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const double g = gradient[i] / step.divisor;
    double& w = parameter.exact_weight[i];
    double& m = parameter.exact_first[i];
    double& v = parameter.exact_second[i];
    m = kBeta1 * m + (1 - kBeta1) * g;
    v = step.beta2 * v + (1 - step.beta2) * g * g;
    w = w - step.learning_rate * parameter.decay * w - size * m / (std::sqrt(v) + kEpsilon);
    if (!parameter.exact_average.empty()) {
      double& average = parameter.exact_average[i];
      average += step.average_share * (w - average);
    }
  }
}

void expect_near(const DeviceBuffer<float>& result, const std::vector<double>& exact) {
  const std::vector<float> numbers = result.read();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_NEAR(numbers[i], exact[i], 1e-6 + 1e-5 * std::abs(exact[i])) << i;
  }
}

void expect_rounded(const Parameter& parameter) {
  const std::vector<float> weight = parameter.weight.read();
  const std::vector<std::uint16_t> found = parameter.rounded.read();
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i], parameter.rounded_type == HalfType::kFloat16
                            ? rounded<Float16>(weight[i]).bits
                            : rounded<Bfloat16>(weight[i]).bits)
        << i;
  }
}

void expect_near(const Parameter& parameter) {
  expect_near(parameter.weight, parameter.exact_weight);
  expect_near(parameter.first_moment, parameter.exact_first);
  expect_near(parameter.second_moment, parameter.exact_second);
  expect_near(parameter.average, parameter.exact_average);
}

TEST(GradientNorm, IsThatOfAllGradients) {
  const std::vector<Parameter> parameters = make_parameters(many_sizes(), false);
  double squares = 0.0;
  for (const Parameter& parameter : parameters) {
    for (const double g : Parameter::wide(parameter.gradient)) squares += g * g;
  }
  const float norm = gradient_norm(parameters);
  EXPECT_NEAR(norm / std::sqrt(squares), 1.0, 1e-6);
  EXPECT_EQ(norm, gradient_norm(parameters)) << "does not repeat";
}

TEST(GradientNorm, IsNotFiniteWhereAGradientIsNot) {
  std::vector<Parameter> parameters = make_parameters({5, 20000}, false);
  std::vector<float> gradient = parameters[1].gradient.read();
  gradient.back() = std::numeric_limits<float>::infinity();
  parameters[1].gradient.write(gradient);
  EXPECT_FALSE(std::isfinite(gradient_norm(parameters)));
}

TEST(Adam, UpdatesFollowTheFormula) {
  RandomNumbers random(2);
  std::vector<Parameter> parameters = make_parameters(many_sizes(), true);
  Step step;
  for (int count = 0; count < 3; ++count) {
    for (Parameter& parameter : parameters) {
      parameter.gradient.write(random.normal(parameter.gradient.size()));
      update_exactly(parameter, step);
    }
    update(parameters, step);
    for (const Parameter& parameter : parameters) {
      expect_near(parameter);
      expect_rounded(parameter);
    }
    ++step.updates;
    step.divisor *= 3;
    step.learning_rate *= 2;
  }
}

TEST(Adam, WithoutAveragesAndWhereEpsilonMatters) {
  RandomNumbers random(3);
  std::vector<Parameter> parameters = make_parameters({7, 300, 2}, false);
  Step step;
  for (; step.updates <= 3; ++step.updates) {
    for (Parameter& parameter : parameters) {
      parameter.gradient.write(random.normal(parameter.gradient.size(), 1e-7));
      update_exactly(parameter, step);
    }
    update(parameters, step);
  }
  for (const Parameter& parameter : parameters) expect_near(parameter);
}

// Rounded to float32, β₂ᵗ would leave four digits of 1 - β₂ᵗ.
TEST(Adam, TheFirstUpdateWhereBeta2IsCloseToOne) {
  std::vector<Parameter> parameters = make_parameters({100}, true);
  const Step step = {.learning_rate = 10, .beta2 = 0.9999};
  update_exactly(parameters[0], step);
  update(parameters, step);
  expect_near(parameters[0]);
}

TEST(Adam, AfterAMillionUpdates) {
  std::vector<Parameter> parameters = make_parameters({100}, true);
  const Step step = {.updates = 1e6F};
  update_exactly(parameters[0], step);
  update(parameters, step);
  expect_near(parameters[0]);
}

TEST(Adam, ASkippedUpdateChangesNothing) {
  std::vector<Parameter> parameters = make_parameters({70, 17000}, true);
  for (Parameter& parameter : parameters) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    parameter.gradient.write(std::vector<float>(parameter.gradient.size(), nan));
  }
  update(parameters, {.is_skipped = 1});
  for (const Parameter& parameter : parameters) {
    expect_near(parameter);
    for (const std::uint16_t bits : parameter.rounded.read()) ASSERT_EQ(bits, kPoison);
  }
}

}  // namespace
}  // namespace sparse_transformer
