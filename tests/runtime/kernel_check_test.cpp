#include "runtime/kernel_check.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;
using ::testing::ThrowsMessage;
using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

std::vector<at::Tensor> numbers() {
  return {at::arange(1, 9, at::kFloat), 1e-3 * at::arange(1, 5, at::kFloat)};
}

KernelCheck check_of(const std::string& name,
                     const std::function<std::vector<at::Tensor>()>& compute) {
  return {.name = name, .compute = compute, .plain = numbers};
}

/// Like numbers(), but with one tensor times `factor`.
std::vector<at::Tensor> wrong_by(double factor, std::size_t tensor) {
  std::vector<at::Tensor> wrong = numbers();
  wrong[tensor].mul_(factor);
  return wrong;
}

TEST(Difference, IsNothingWithinTheRoundingOfTheType) {
  EXPECT_EQ(difference(numbers(), numbers()), std::nullopt);
  EXPECT_EQ(difference(wrong_by(1.00005, 0), numbers()), std::nullopt);
  std::vector<at::Tensor> rounded = wrong_by(1.01, 1);
  for (at::Tensor& x : rounded) x = x.to(at::kBFloat16);
  EXPECT_EQ(difference(rounded, numbers()), std::nullopt);
}

// Each by itself, because some are much larger than others.
TEST(Difference, IsFoundInEachTensor) {
  for (const std::size_t tensor : {0, 1}) {
    EXPECT_THAT(difference(wrong_by(1.1, tensor), numbers()), Optional(HasSubstr("by 10.00%")));
    const double nan = std::numeric_limits<double>::quiet_NaN();
    EXPECT_TRUE(difference(wrong_by(nan, tensor), numbers()));
  }
}

TEST(KernelCheck, RightKernelsAreTrustedWithoutAWord) {
  CaptureStderr();
  EXPECT_TRUE(are_right({check_of("norm", numbers), check_of("Adam", numbers)}, "others compute"));
  EXPECT_EQ(GetCapturedStderr(), "");
}

TEST(KernelCheck, AWrongKernelIsWarnedOfOnce) {
  CaptureStderr();
  EXPECT_FALSE(
      are_right({check_of("norm", [] { return wrong_by(1.5, 1); }), check_of("GELU", numbers)},
                "plain operations compute norms"));
  const std::string log = GetCapturedStderr();
  EXPECT_THAT(log, AllOf(HasSubstr("warning: norm fails its check on this device: its results "
                                   "differ by 50.00% from plain code's; plain operations compute "
                                   "norms, more slowly"),
                         Not(HasSubstr("GELU"))));
}

TEST(KernelCheck, AKernelThatThrowsIsWrong) {
  const KernelCheck check =
      check_of("norm", []() -> std::vector<at::Tensor> { throw std::runtime_error("no image"); });
  CaptureStderr();
  EXPECT_FALSE(are_right({check}, "others compute"));
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("norm fails its check on this device: no image"));
}

TEST(KernelCheck, ADeviceLeftInAnErrorEndsTheProgramWithTheWayAround) {
  const DeviceTrial trial = {.name = "norm",
                             .way_around = "--set training.kernels=plain",
                             .synchronise = [] { throw std::runtime_error("sticky"); }};
  const auto run = []() -> std::optional<std::string> { throw std::runtime_error("bad address"); };
  EXPECT_THAT([&] { complaint_of(trial, run); },
              ThrowsMessage<WorldError>("norm left the GPU in an error (bad address); start again "
                                        "with --set training.kernels=plain"));
}

}  // namespace
}  // namespace sparse_transformer
