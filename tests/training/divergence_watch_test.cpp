#include "training/divergence_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace sparse_transformer {
namespace {

/// A figure around 2 with a deviation of 0.1 / √2.
double noisy(int step) { return 2.0 + 0.1 * std::sin(step); }

TEST(RunningFigure, FollowsMeanAndDeviation) {
  RunningFigure figure;
  for (int step = 0; step < 400; ++step) figure.add(noisy(step), 8.0);
  EXPECT_NEAR(figure.mean, 2.0, 0.01);
  EXPECT_NEAR(figure.deviation(), 0.1 / std::sqrt(2.0), 0.01);
}

TEST(RunningFigure, AnOutlierIsNoticedAndHardlyMovesIt) {
  RunningFigure figure;
  for (int step = 0; step < 200; ++step) EXPECT_FALSE(figure.add(noisy(step), 8.0));
  EXPECT_FALSE(figure.add(2.4, 8.0));
  EXPECT_FALSE(figure.add(0.0, 8.0)) << "below is no divergence";
  RunningFigure off = figure;
  EXPECT_TRUE(figure.add(1e6, 8.0));
  EXPECT_LT(figure.mean, 2.1);
  EXPECT_FALSE(off.add(1e6, 0.0)) << "0 is off";
}

TEST(RunningFigure, IsSilentInTheFirstHundredStepsAndWhereAFigureHardlyMoves) {
  RunningFigure figure;
  for (int step = 0; step < 99; ++step) figure.add(2.0, 8.0);
  EXPECT_FALSE(figure.add(100.0, 8.0));
  RunningFigure constant;
  for (int step = 0; step < 200; ++step) constant.add(2.0, 8.0);
  EXPECT_FALSE(constant.add(2.1, 8.0));
  EXPECT_TRUE(constant.add(2.3, 8.0));
}

TEST(RunningFigure, ALastingChangeBecomesNormal) {
  RunningFigure figure;
  for (int step = 0; step < 200; ++step) figure.add(noisy(step), 8.0);
  int noticed = 0;
  for (int step = 0; step < 300; ++step) noticed += static_cast<int>(figure.add(6.0, 8.0));
  EXPECT_GT(noticed, 0);
  EXPECT_LT(noticed, 100);
  EXPECT_NEAR(figure.mean, 6.0, 0.5);
}

TEST(WatchState, WarnsOnceWithTheFiguresAndCalmsDown) {
  WatchState watch;
  for (int step = 0; step < 200; ++step) {
    EXPECT_EQ(watch.add(std::log(2.0) * noisy(step), 0.5 * noisy(step), 8.0), "");
  }
  EXPECT_FALSE(watch.is_alarmed());
  EXPECT_THAT(watch.add(std::log(2.0) * 2.0, 9.0, 8.0),
              testing::MatchesRegex("gradient norm 9.0000 against a mean of 1.0[0-9]+ with a "
                                    "deviation of 0.03[0-9]+"));
  EXPECT_TRUE(watch.is_alarmed());
  EXPECT_EQ(watch.add(std::log(2.0) * 2.0, 9.0, 8.0), "") << "the alarm holds already";
  for (int step = 0; step < WatchState::kCalm; ++step) {
    EXPECT_TRUE(watch.is_alarmed());
    watch.add(std::log(2.0) * 2.0, 1.0, 8.0);
  }
  EXPECT_FALSE(watch.is_alarmed());
  EXPECT_THAT(watch.add(std::log(2.0) * 7.0, 1.0, 8.0), testing::StartsWith("bits 7.0000 against"));
}

}  // namespace
}  // namespace sparse_transformer
