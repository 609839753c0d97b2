#include "training/step_log.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <numbers>
#include <thread>

namespace sparse_transformer {
namespace {

StepFigures figures(double loss) {
  return {.loss = at::full({}, loss), .gradient_norm = at::ones({}), .loss_scale = at::ones({})};
}

void sleep_for(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

// As on CUDA, where a step is launched at once and the device works while nothing else happens.
TEST(StepLog, CountsTheTimeUntilFiguresAreRead) {
  StepLog log;
  for (int step = 0; step < 2; ++step) {
    log.begin_step();
    log.add(figures(1.0), 500);
  }
  sleep_for(0.2);
  log.read();
  EXPECT_LE(*log.summary()->tokens_per_second, 1000 / 0.2);
}

// Evaluation and samples come between a read and the next step.
TEST(StepLog, DoesNotCountWhatHappensBetweenReadAndNextStep) {
  StepLog log;
  for (int i = 0; i < 2; ++i) {
    log.begin_step();
    log.add(figures(1.0), 500);
    log.read();
    sleep_for(0.3);
  }
  EXPECT_GT(*log.summary()->tokens_per_second, 1000 / 0.3);
}

TEST(StepLog, SumsUpTheStepsThatWereTaken) {
  StepLog log;
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double loss : {1.0, infinity, 3.0}) log.add(figures(loss), 1);
  EXPECT_EQ(log.read().size(), 3U);
  EXPECT_TRUE(log.read().empty());
  const auto summary = log.summary();
  EXPECT_NEAR(*summary->bits, 2.0 / std::numbers::ln2, 1e-9);
  EXPECT_FALSE(log.summary());
}

// As in a run that a checkpoint interrupted between two lines.
TEST(StepLog, ContinuesWithTheSumsOfACheckpoint) {
  StepLog whole;
  StepLog first;
  for (const double loss : {1.0, 2.5}) {
    whole.add(figures(loss), 1);
    first.add(figures(loss), 1);
  }
  first.read();
  StepLog second(first.sums());
  EXPECT_EQ(second.sums().steps, 2);
  whole.add(figures(4.25), 1);
  second.add(figures(4.25), 1);
  whole.read();
  second.read();
  EXPECT_EQ(*second.summary()->bits, *whole.summary()->bits);
}

// Their line is still to be written.
TEST(StepLog, SumsOfACheckpointAloneMakeALine) {
  StepSums sums;
  sums.steps = 2;
  sums.taken = 1;
  sums.nats = std::numbers::ln2;
  sums.gradient_norm = 0.5;
  StepLog log(sums);
  const auto summary = log.summary();
  EXPECT_DOUBLE_EQ(*summary->bits, 1.0);
  EXPECT_EQ(*summary->gradient_norm, 0.5);
  EXPECT_FALSE(summary->tokens_per_second);
}

}  // namespace
}  // namespace sparse_transformer
