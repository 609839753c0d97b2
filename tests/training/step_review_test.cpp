#include "training/step_review.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

constexpr StepValues kGood = {.loss = 1.0, .gradient_norm = 0.5, .loss_scale = 65536.0};
constexpr StepValues kOverflow = {.loss = 1.0, .gradient_norm = kInfinity, .loss_scale = 65536.0};
constexpr StepValues kLast = {.loss = 1.0, .gradient_norm = kInfinity, .loss_scale = 2048.0};
constexpr StepValues kAtFloor = {.loss = 1.0, .gradient_norm = kInfinity, .loss_scale = 1024.0};
constexpr StepValues kBadLoss = {.loss = kNan, .gradient_norm = kNan, .loss_scale = 65536.0};

/// A review of steps 11, 12, …
class Review : public testing::Test {
 protected:
  std::optional<FailedStep> review(const std::vector<StepValues>& steps) {
    progress.step = 10 + static_cast<std::int64_t>(steps.size());
    testing::internal::CaptureStderr();
    struct Log {
      std::string& text;
      ~Log() { text = testing::internal::GetCapturedStderr(); }
    } const capture{log};
    return StepReview(settings).review(steps, progress);
  }

  TrainingSettings settings;
  TrainingProgress progress;
  std::string log;
};

TEST_F(Review, AnOverflowOfFp16IsCountedAndOrdinary) {
  settings.precision = Precision::kFloat16;
  EXPECT_FALSE(review({kGood, kOverflow, kGood}));
  EXPECT_EQ(progress.skipped_steps, 1);
  EXPECT_FALSE(progress.watch.is_alarmed());
  EXPECT_EQ(log, "");
}

TEST_F(Review, EachFallToTheFloorIsWarnedOf) {
  settings.precision = Precision::kFloat16;
  EXPECT_FALSE(review({kLast}));
  EXPECT_THAT(log, HasSubstr("step 11: the loss scale has fallen to its floor of 1,024"));
  EXPECT_FALSE(review({kLast}));
  EXPECT_THAT(log, HasSubstr("its floor of 1,024"));
}

TEST_F(Review, StopNamesTheStep) {
  try {
    review({kGood, kBadLoss});
    FAIL();
  } catch (const WorldError& error) {
    EXPECT_THAT(error.what(), HasSubstr("step 12: the loss is not finite; training stops"));
  }
  EXPECT_THROW(review({kOverflow}), WorldError) << "fp32 has no ordinary overflow";
  settings.precision = Precision::kFloat16;
  EXPECT_THROW(review({kAtFloor}), WorldError);
  EXPECT_THROW(review({kBadLoss}), WorldError);
}

TEST_F(Review, SkipCountsAndWarns) {
  settings.non_finite = NonFinite::kSkip;
  EXPECT_FALSE(review({kBadLoss, kGood, kOverflow}));
  EXPECT_EQ(progress.skipped_steps, 2);
  EXPECT_TRUE(progress.watch.is_alarmed());
  EXPECT_THAT(log, HasSubstr("step 11: the loss is not finite; it is skipped (1 so far)"));
  EXPECT_THAT(log, HasSubstr("step 13: the gradient is not finite; it is skipped (2 so far)"));
}

TEST_F(Review, SkipGivesUpAfterAHundredInARow) {
  settings.non_finite = NonFinite::kSkip;
  EXPECT_FALSE(review(std::vector<StepValues>(99, kBadLoss)));
  EXPECT_FALSE(review({kGood}));
  EXPECT_FALSE(review(std::vector<StepValues>(99, kBadLoss)));
  try {
    review({kOverflow});
    FAIL();
  } catch (const WorldError& error) {
    EXPECT_THAT(error.what(), HasSubstr("step 11: the gradient is not finite, like the 99 steps"));
  }
}

TEST_F(Review, RollbackNamesTheFirstSuchStep) {
  settings.non_finite = NonFinite::kRollback;
  const auto failed = review({kGood, kOverflow, kBadLoss});
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->number, 12);
  EXPECT_EQ(failed->what, "step 12: the gradient is not finite");
}

TEST_F(Review, WarnsOfDivergenceWithTheFigures) {
  std::vector<StepValues> steps(150, kGood);
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i].loss += 0.01 * static_cast<double>(i % 3);
  steps.push_back({.loss = 3.0, .gradient_norm = 0.5, .loss_scale = 1.0});
  EXPECT_FALSE(review(steps));
  EXPECT_THAT(log, HasSubstr("step 161: the run may be diverging: bits 4.3281 against a mean of"));
  EXPECT_TRUE(progress.watch.is_alarmed());
  settings.watch = 0.0;
  progress.watch = {};
  EXPECT_FALSE(review(steps));
  EXPECT_EQ(log, "");
}

}  // namespace
}  // namespace sparse_transformer
