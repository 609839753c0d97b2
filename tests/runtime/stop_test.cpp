#include "runtime/stop.h"

#include <gtest/gtest.h>

#include <array>
#include <csignal>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

constexpr std::array kStopSignals = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU};

TEST(Stop, NothingHappensWithoutASignal) {
  const StopSignals signals;
  EXPECT_EQ(stop_signal(), 0);
  EXPECT_NO_THROW(throw_if_stopped());
}

// Whoever runs the tests may ignore some of them.
void use_default_actions() {
  for (const int signal : kStopSignals) std::signal(signal, SIG_DFL);
}

TEST(Stop, TheFirstSignalIsNotedAndThrownAtTheNextSafePoint) {
  use_default_actions();
  for (const int signal : kStopSignals) {
    const StopSignals signals;
    std::raise(signal);
    EXPECT_EQ(stop_signal(), signal);
    try {
      throw_if_stopped();
      FAIL() << "no Interrupted";
    } catch (const Interrupted& interrupted) {
      EXPECT_EQ(interrupted.signal(), signal);
    }
  }
}

// In a child, which the second signal must end; one that survives it leaves with 0 and fails the
// test.
void raise_both(int first, int second) {
  const StopSignals signals;
  std::raise(first);
  std::raise(second);
  std::_Exit(0);
}

TEST(StopDeathTest, TheSecondSignalEndsTheProcess) {
  use_default_actions();
  EXPECT_EXIT(raise_both(SIGHUP, SIGTERM), testing::KilledBySignal(SIGTERM), "");
  EXPECT_EXIT(raise_both(SIGUSR1, SIGINT), testing::KilledBySignal(SIGINT), "");
  EXPECT_EXIT(raise_both(SIGINT, SIGINT), testing::KilledBySignal(SIGINT), "");
  EXPECT_EXIT(raise_both(SIGINT, SIGTERM), testing::KilledBySignal(SIGTERM), "");
}

TEST(StopDeathTest, AClosedTerminalAndAClusterMaySendTheirSignalTwice) {
  use_default_actions();
  EXPECT_EXIT(raise_both(SIGHUP, SIGHUP), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(raise_both(SIGUSR1, SIGUSR1), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(raise_both(SIGTERM, SIGHUP), testing::ExitedWithCode(0), "");
}

TEST(Stop, AnIgnoredSignalStaysIgnored) {
  for (const int signal : kStopSignals) {
    std::signal(signal, SIG_IGN);
    {
      const StopSignals signals;
      std::raise(signal);
      EXPECT_EQ(stop_signal(), 0) << signal;
    }
    EXPECT_EQ(std::signal(signal, SIG_DFL), SIG_IGN) << signal;
  }
}

int times_handled = 0;

TEST(Stop, TheHandlersBeforeArePutBack) {
  const auto before = std::signal(SIGTERM, [](int) { ++times_handled; });
  { const StopSignals signals; }
  std::raise(SIGTERM);
  EXPECT_EQ(times_handled, 1);
  std::signal(SIGTERM, before);
}

}  // namespace
}  // namespace sparse_transformer
