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
  static std::vector<at::Tensor> plain() {
    at::manual_seed(7);
    return {at::randn({1, 8, 2, 3}), 1e-3 * at::randn({1, 8, 2, 4}), 1e3 * at::randn({5})};
  }

  /// Takes so many seconds and gives what plain code gives, in bfloat16.
  static KernelCandidate candidate(KernelKind kernel, double seconds) {
    return {.kernel = kernel,
            .compute = [] { return rounded(plain()); },
            .estimate = [seconds] { return seconds; },
            .seconds = [seconds] { return seconds; }};
  }

  static std::vector<at::Tensor> rounded(std::vector<at::Tensor> exact) {
    for (at::Tensor& x : exact) x = x.to(at::kBFloat16);
    return exact;
  }

  KernelKind fastest(bool repeatable = true, const std::string& part = "local") const {
    return fastest_kernel({.part = part,
                           .candidates = {own, flash, cublas},
                           .plain = plain(),
                           .repeatable = repeatable,
                           .synchronise = synchronise});
  }

  KernelCandidate own = candidate(KernelKind::kOwn, 3e-3);
  KernelCandidate flash = candidate(KernelKind::kFlash, 2e-3);
  KernelCandidate cublas = candidate(KernelKind::kCublas, 1e-3);
  std::function<void()> synchronise = [] {};
};

TEST_F(FastestKernel, IsThatOfTheSmallestMedian) {
  EXPECT_EQ(fastest(), KernelKind::kCublas);
  int calls = 0;
  own.seconds = [&calls] { return ++calls % 5 == 0 ? 1.0 : 1e-4; };  // slow now and then
  EXPECT_EQ(fastest(), KernelKind::kOwn);
}

// Each by itself: some are much larger than others.
TEST_F(FastestKernel, IsNoneWhoseResultsAreWrong) {
  for (const float factor : {1.1f, std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::size_t i : {0, 1, 2}) {
      cublas.compute = [i, factor] {
        std::vector<at::Tensor> wrong = plain();
        wrong[i].mul_(factor);
        return rounded(wrong);
      };
      EXPECT_EQ(fastest(/*repeatable=*/false), KernelKind::kFlash);
    }
  }
}

TEST_F(FastestKernel, IsNoneThatThrowsWhetherShortOrLong) {
  cublas.compute = []() -> std::vector<at::Tensor> {
    throw std::runtime_error("not for these strides");
  };
  EXPECT_EQ(fastest(), KernelKind::kFlash);
  flash.seconds = []() -> double { throw std::runtime_error("out of memory"); };
  EXPECT_EQ(fastest(), KernelKind::kOwn);
  own.seconds = []() -> double { throw Interrupted(2); };
  EXPECT_THROW(fastest(), Interrupted);
}

// After such an error of the device all later work fails, whatever kernel does it.
TEST_F(FastestKernel, AnErrorThatStaysEndsWithTheWayAroundIt) {
  own.compute = []() -> std::vector<at::Tensor> { throw std::runtime_error("illegal address"); };
  synchronise = [] { throw std::runtime_error("illegal address"); };
  try {
    fastest();
    FAIL() << "nothing was thrown";
  } catch (const WorldError& error) {
    EXPECT_THAT(error.what(), HasSubstr("own left the GPU in an error (illegal address)"));
    EXPECT_THAT(error.what(), HasSubstr("'training.kernel_choice=[local=flash]'"));
  }
}

TEST_F(FastestKernel, IsNotMeasuredAmongThoseThatAreMuchSlowerByEstimate) {
  own.estimate = [] { return 1e-2; };
  flash.estimate = [] { return 1.0; };
  flash.seconds = []() -> double { throw std::logic_error("was measured"); };
  cublas.estimate = [] { return 2e-2; };
  EXPECT_EQ(fastest(), KernelKind::kCublas);
}

TEST_F(FastestKernel, OfLongPassesIsEstimated) {
  for (KernelCandidate* each : {&own, &flash, &cublas}) {
    each->seconds = []() -> double { throw std::logic_error("was measured"); };
  }
  own.estimate = [] { return 60.0; };
  flash.estimate = [] { return 50.0; };
  cublas.estimate = [] { return 70.0; };
  EXPECT_EQ(fastest(), KernelKind::kFlash);
}

TEST(KernelChoiceWords, AreReadAsTheyAreWritten) {
  const KernelChoice choice = {{"[local, column]", KernelKind::kOwn},
                               {"row+summary", KernelKind::kFlash},
                               {kFeedforward, KernelKind::kCublas}};
  EXPECT_EQ(choice_of_words(choice_words(choice)), choice);
  for (const char* const wrong : {"local", "local=", "=own", "local=fast"}) {
    EXPECT_THROW(choice_of_words({wrong}), SettingError) << wrong;
  }
}

TEST_F(FastestKernel, RepeatsBitForBitWhereThatIsAskedFor) {
  int calls = 0;
  for (const std::size_t i : {0, 1, 2}) {
    cublas.compute = [&calls, i] {
      std::vector<at::Tensor> result = plain();
      result[i].flatten()[0] *= 1 + 1e-5 * ++calls;
      return result;
    };
    EXPECT_EQ(fastest(/*repeatable=*/true), KernelKind::kFlash);
    EXPECT_EQ(fastest(/*repeatable=*/false), KernelKind::kCublas);
  }
}

TEST_F(FastestKernel, NoneIsAnErrorThatNamesPlainCode) {
  for (KernelCandidate* each : {&own, &flash, &cublas}) {
    each->compute = []() -> std::vector<at::Tensor> { throw std::runtime_error("no"); };
  }
  try {
    fastest();
    FAIL() << "nothing was thrown";
  } catch (const WorldError& error) {
    EXPECT_THAT(error.what(), HasSubstr("attention of local: no kernel"));
    EXPECT_THAT(error.what(), HasSubstr("training.kernels: plain"));
  }
}

TEST_F(FastestKernel, IsLoggedWithThePartThatItComputes) {
  testing::internal::CaptureStderr();
  fastest(/*repeatable=*/true, kFeedforward);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("feed-forward: cublas (own 3.000 ms"));
}

TEST(AttentionKernels, OnTheCpuThereIsOne) {
  const PatternCase c{{"local+column"}, 64, 8, 2, 1};
  const at::Tensor packed = at::randn({1, 64, 2, 24});
  EXPECT_THAT(attention_kernels(packed, layer_of(c), {8, 8, 0.3}), ElementsAre(KernelKind::kOwn));
}

TEST(AvailableKernels, AreThoseOfTheCheckpointThatAreHere) {
  const KernelChoice recorded = {{"column", KernelKind::kCublas},
                                 {"local", KernelKind::kOwn},
                                 {"row", KernelKind::kFlash},
                                 {kFeedforward, KernelKind::kOwn}};
  testing::internal::CaptureStderr();
  EXPECT_THAT(available_kernels(recorded, {{"column", {KernelKind::kFlash}},
                                           {"local", {KernelKind::kOwn}},
                                           {kFeedforward, {KernelKind::kCublas}}}),
              ElementsAre(Pair("local", KernelKind::kOwn)));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log,
              HasSubstr("warning: the checkpoint's attention of column is computed by cublas"));
  EXPECT_THAT(log, HasSubstr("attention of row is computed by flash"));
  EXPECT_THAT(log, HasSubstr("checkpoint's feed-forward is computed by own"));
}

}  // namespace
}  // namespace sparse_transformer
