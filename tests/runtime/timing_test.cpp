#include "runtime/timing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "config/errors.h"
#include "runtime/stop.h"

namespace sparse_transformer {
namespace {

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

void ignore(std::int64_t, std::int64_t) {}

TEST(Timing, RunsTakeTurnsAndTheFirstRoundDoesNotCount) {
  std::string order;
  std::int64_t last = 0;
  median_seconds({[&] { order += 'a'; }, [&] { order += 'b'; }}, 2,
                 [&](std::int64_t done, std::int64_t total) {
                   EXPECT_EQ(done, last + 1);
                   EXPECT_EQ(total, 6);
                   last = done;
                 });
  EXPECT_EQ(order, "ababab");
  EXPECT_EQ(last, 6);
}

TEST(Timing, GivesTheMedianOfTheCountedRounds) {
  int odd = 0;
  int even = 0;
  const auto seconds =
      median_seconds({[&] {
                       sleep_ms(std::array{300, 20, 200, 20}.at(static_cast<std::size_t>(odd++)));
                     }},
                     3, ignore);
  EXPECT_GE(seconds[0], 0.020);
  EXPECT_LT(seconds[0], 0.150);
  const auto mean =
      median_seconds({[&] {
                       sleep_ms(std::array{0, 20, 200}.at(static_cast<std::size_t>(even++)));
                     }},
                     2, ignore);
  EXPECT_GE(mean[0], 0.110);
}

TEST(Timing, GivesTheMedianOfWhatMeasurementsSay) {
  double value = 0.0;
  const Medians medians =
      medians_of_rounds({[&] { return value += 1.0; }, [] { return 7.0; }}, {.rounds = 3}, ignore);
  EXPECT_THAT(medians.values, testing::ElementsAre(3.0, 7.0));  // of 2, 3, 4
  EXPECT_EQ(medians.rounds, 3);
}

TEST(Timing, NoRoundBeginsWhenTheTimeIsOverButOneIsCounted) {
  int runs = 0;
  const auto slow = [&runs] {
    ++runs;
    sleep_ms(30);
    return 1.0;
  };
  EXPECT_EQ(medians_of_rounds({slow}, {.rounds = 100, .seconds = 0.0}, ignore).rounds, 1);
  EXPECT_EQ(runs, 2);
  const Medians some = medians_of_rounds({slow}, {.rounds = 1000, .seconds = 0.1}, ignore);
  EXPECT_GE(some.rounds, 1);
  EXPECT_LE(some.rounds, 4);
}

TEST(Timing, StopsBetweenRuns) {
  const StopSignals signals;
  int runs = 0;
  EXPECT_THROW(median_seconds({[&] {
                                ++runs;
                                std::raise(SIGINT);
                              }},
                              5, ignore),
               Interrupted);
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace sparse_transformer
