#include "runtime/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "runtime/log.h"

namespace sparse_transformer {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ProgressState kState = {.title = "train",
                              .first = 100,
                              .done = 1200,
                              .total = 3400,
                              .elapsed = 62,
                              .figures = "2.31 bits 15k tok/s"};

TEST(ProgressText, SaysWhereItIsAndWhenItEnds) {
  EXPECT_EQ(progress_line(kState),
            "train 1,200/3,400 (35%) 2.31 bits 15k tok/s, 1m02s, 2m04s left");
  EXPECT_EQ(progress_bar(kState, 100),
            "train 1,200/3,400 [##########....................] 35%  2.31 bits 15k tok/s  1m02s, "
            "2m04s left");
}

TEST(ProgressText, TheStepsBeforeAResumeDoNotCountInTheSpeed) {
  ProgressState state = kState;
  EXPECT_DOUBLE_EQ(seconds_left(state), 62.0 / 1100 * 2200);
  state.done = state.first;
  EXPECT_LT(seconds_left(state), 0);
  EXPECT_EQ(progress_line(state), "train 100/3,400 (2%) 2.31 bits 15k tok/s, 1m02s");
}

TEST(ProgressText, FitsEveryWidth) {
  for (int width = 1; width < 130; ++width) {
    EXPECT_LE(progress_bar(kState, width).size(), static_cast<std::size_t>(std::max(1, width - 1)));
  }
  EXPECT_THAT(progress_bar(kState, 80), HasSubstr("2m04s left"));
  EXPECT_EQ(progress_bar(kState, 10), "train 1,2");
}

TEST(ProgressText, ATaskOfNothingIsDone) {
  ProgressState state;
  state.title = "pack";
  EXPECT_EQ(progress_line(state), "pack 0/0 (100%) 0.0s");
}

class ProgressTest : public testing::Test {
 protected:
  void SetUp() override { start_log(Verbosity::kNormal, ColorMode::kNever); }
  void TearDown() override { set_progress_mode(ProgressMode::kAuto); }

  static std::string shown(ProgressMode mode, std::int64_t line_every) {
    set_progress_mode(mode);
    testing::internal::CaptureStderr();
    {
      Progress progress("count", 0, 10, line_every);
      for (int i = 1; i <= 10; ++i) progress.update(i);
    }
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(ProgressTest, LinesComeAtTheInterval) {
  EXPECT_THAT(shown(ProgressMode::kLines, 4),
              ContainsRegex("^count 4/10 [^\n]+\ncount 8/10 [^\n]+\ncount 10/10 [^\n]+\n$"));
  EXPECT_THAT(shown(ProgressMode::kAuto, 10), ContainsRegex("^count 10/10 [^\n]+\n$"));
  EXPECT_THAT(shown(ProgressMode::kLines, 0), IsEmpty());
}

TEST_F(ProgressTest, AShortTaskPrintsNoLines) {
  set_progress_mode(ProgressMode::kLines);
  testing::internal::CaptureStderr();
  Progress progress("count");
  progress.update(5, 10);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), IsEmpty());
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  testing::internal::CaptureStderr();
  progress.update(7, 10);
  progress.update(8, 10);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), ContainsRegex("^count 7/10 [^\n]+\n$"));
}

TEST_F(ProgressTest, TheBarIsDrawnAtMostTenTimesASecondAndTakenAway) {
  EXPECT_THAT(shown(ProgressMode::kBar, 1),
              ContainsRegex("^\r\033\\[Kcount 1/10 [^\r\n]+\r\033\\[K$"));
}

TEST_F(ProgressTest, NoneShowsNothing) { EXPECT_THAT(shown(ProgressMode::kNone, 1), IsEmpty()); }

}  // namespace
}  // namespace sparse_transformer
