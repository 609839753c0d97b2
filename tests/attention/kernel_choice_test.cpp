#include "attention/kernel_choice.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "config/errors.h"
#include "tests/attention/pattern_cases.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class FastestKernel : public testing::Test {
 protected:
  static AttentionResult plain() {
    at::manual_seed(7);
    return {at::randn({1, 8, 2, 3}), at::randn({1, 8, 2, 11})};
  }

  /// Takes so many seconds and gives what plain code gives, in bfloat16.
  static KernelCandidate candidate(KernelKind kernel, double seconds) {
    return {
        .kernel = kernel,
        .compute =
            [] {
              const AttentionResult exact = plain();
              return AttentionResult{exact.out.to(at::kBFloat16), exact.d_packed.to(at::kBFloat16)};
            },
        .seconds = [seconds] { return seconds; }};
  }

  KernelKind fastest(bool repeatable = true) const {
    return fastest_kernel("local", {own, flash, cudnn}, plain(), shape, repeatable);
  }

  HeadShape shape{.query_width = 4, .value_width = 3, .scale = 0.5};
  KernelCandidate own = candidate(KernelKind::kOwn, 3e-3);
  KernelCandidate flash = candidate(KernelKind::kFlash, 2e-3);
  KernelCandidate cudnn = candidate(KernelKind::kCudnn, 1e-3);
};

TEST_F(FastestKernel, IsThatOfTheSmallestMedian) {
  EXPECT_EQ(fastest(), KernelKind::kCudnn);
  int calls = 0;
  own.seconds = [&calls] { return ++calls % 5 == 0 ? 1.0 : 1e-4; };  // slow now and then
  EXPECT_EQ(fastest(), KernelKind::kOwn);
}

// Each part by itself: the values' gradients are much larger than the queries'.
TEST_F(FastestKernel, IsNoneWhoseResultsAreWrong) {
  for (const std::int64_t first : {0, 4, 8}) {
    cudnn.compute = [first] {
      AttentionResult wrong = plain();
      wrong.d_packed.narrow(3, first, 3).mul_(1.1);
      return AttentionResult{wrong.out.to(at::kBFloat16), wrong.d_packed.to(at::kBFloat16)};
    };
    EXPECT_EQ(fastest(), KernelKind::kFlash);
  }
  cudnn.compute = [] {
    AttentionResult wrong = plain();
    wrong.out[0][0][0][0] = std::numeric_limits<float>::quiet_NaN();
    return wrong;
  };
  EXPECT_EQ(fastest(/*repeatable=*/false), KernelKind::kFlash);
}

TEST_F(FastestKernel, IsNoneThatThrowsWhetherShortOrLong) {
  cudnn.compute = []() -> AttentionResult { throw std::runtime_error("not for these strides"); };
  EXPECT_EQ(fastest(), KernelKind::kFlash);
  flash.seconds = []() -> double { throw std::runtime_error("out of memory"); };
  EXPECT_EQ(fastest(), KernelKind::kOwn);
  own.seconds = []() -> double { throw Interrupted(2); };
  EXPECT_THROW(fastest(), Interrupted);
}

TEST_F(FastestKernel, RepeatsBitForBitWhereThatIsAskedFor) {
  int calls = 0;
  cudnn.compute = [&calls] {
    AttentionResult result = plain();
    result.out[0][0][0][0] += 1e-5F * static_cast<float>(++calls);
    return result;
  };
  EXPECT_EQ(fastest(/*repeatable=*/true), KernelKind::kFlash);
  EXPECT_EQ(fastest(/*repeatable=*/false), KernelKind::kCudnn);
}

TEST_F(FastestKernel, NoneIsAnErrorThatNamesPlainCode) {
  for (KernelCandidate* each : {&own, &flash, &cudnn}) {
    each->compute = []() -> AttentionResult { throw std::runtime_error("no"); };
  }
  try {
    fastest();
    FAIL() << "nothing was thrown";
  } catch (const WorldError& error) {
    EXPECT_THAT(error.what(), HasSubstr("attention of local: no kernel"));
    EXPECT_THAT(error.what(), HasSubstr("training.kernels: plain"));
  }
}

TEST(AttentionKernels, OnTheCpuThereIsOne) {
  const PatternCase c{{"local+column"}, 64, 8, 2, 1};
  const at::Tensor packed = at::randn({1, 64, 2, 24});
  EXPECT_THAT(attention_kernels(packed, layer_of(c), {8, 8, 0.3}, /*repeatable=*/false),
              ElementsAre(KernelKind::kOwn));
}

TEST(AvailableKernels, AreThoseOfTheCheckpointThatAreHere) {
  const KernelChoice recorded = {{"column", KernelKind::kCudnn},
                                 {"local", KernelKind::kOwn},
                                 {"row", KernelKind::kFlash}};
  testing::internal::CaptureStderr();
  EXPECT_THAT(available_kernels(recorded, {{"column", {KernelKind::kFlash}},
                                           {"local", {KernelKind::kOwn}}}),
              ElementsAre(Pair("local", KernelKind::kOwn)));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("warning: the checkpoint's attention of column is computed by cudnn"));
  EXPECT_THAT(log, HasSubstr("attention of row is computed by flash"));
}

}  // namespace
}  // namespace sparse_transformer
