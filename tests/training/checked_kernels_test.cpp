#include "training/checked_kernels.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/log.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;

Settings settings_of(Precision precision, Kernels kernels = Kernels::kFused) {
  Settings settings;
  settings.data.source = DataSource::kGenerated;
  settings.data.shape = {4, 4, 3};
  settings.model.layers = 2;
  settings.model.width = 64;
  settings.model.heads = 2;
  settings.model.attention.layers = {{"strided"}};
  settings.training.precision = precision;
  settings.training.kernels = kernels;
  resolve(settings.model, 48, {4, 4, 3});
  return settings;
}

TEST(CheckedKernels, OnTheProcessorAllAreTrusted) {
  const Computation computation = checked_computation(settings_of(Precision::kFloat32), at::kCPU);
  EXPECT_EQ(computation.rows(), Kernels::kFused);
  EXPECT_EQ(computation.sampling(), Kernels::kFused);
  EXPECT_EQ(checked_optimizer(settings_of(Precision::kFloat32), at::kCPU), Kernels::kFused);
}

TEST(CheckedKernels, WhatIsNotTrustedIsComputedPlainly) {
  const Computation computation = {.trusts_rows = false, .trusts_sampling = false};
  EXPECT_EQ(computation.rows(), Kernels::kPlain);
  EXPECT_EQ(computation.sampling(), Kernels::kPlain);
  EXPECT_EQ(computation.kernels, Kernels::kFused);  // of attention
}

TEST(CheckedKernels, TheOptimizersUpdatesAreComparedOneByOne) {
  KernelCheck check = optimizer_check(at::kCPU);
  EXPECT_TRUE(are_right({check}, "others update"));
  const auto right = check.compute;
  const std::size_t results = right().size();
  for (std::size_t i = 0; i < results; ++i) {
    check.compute = [right, i] {
      std::vector<at::Tensor> wrong = right();
      wrong[i].add_(0.01 * wrong[i].norm());
      return wrong;
    };
    EXPECT_FALSE(are_right({check}, "others update")) << i;
  }
}

TEST(CheckedKernelsCuda, AllPassInEveryPrecision) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  start_log(Verbosity::kVerbose, ColorMode::kNever);
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBfloat16, Precision::kFloat16}) {
    SCOPED_TRACE(static_cast<int>(precision));
    const Settings settings = settings_of(precision);
    testing::internal::CaptureStderr();
    const Computation computation = checked_computation(settings, at::kCUDA);
    const Kernels optimizer = checked_optimizer(settings, at::kCUDA);
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(computation.trusts_rows && computation.trusts_sampling) << log;
    EXPECT_EQ(optimizer, Kernels::kFused) << log;
    for (const char* name : {"layer norm", "dropout", "the residual sum", "GELU",
                             "the choice of a token", "the attention of one token", "Adam"}) {
      EXPECT_THAT(log, HasSubstr(std::string(name) + ": right on this device"));
    }
  }
  start_log(Verbosity::kNormal, ColorMode::kNever);
}

}  // namespace
}  // namespace sparse_transformer
