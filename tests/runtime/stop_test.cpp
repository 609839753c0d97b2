#include "runtime/stop.h"

#include <gtest/gtest.h>

#include <csignal>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

TEST(Stop, NothingHappensWithoutASignal) {
  const StopSignals signals;
  EXPECT_EQ(stop_signal(), 0);
  EXPECT_NO_THROW(throw_if_stopped());
}

TEST(Stop, TheFirstSignalIsNotedAndThrownAtTheNextSafePoint) {
  for (const int signal : {SIGINT, SIGTERM}) {
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
  EXPECT_EXIT(raise_both(SIGINT, SIGINT), testing::KilledBySignal(SIGINT), "");
  EXPECT_EXIT(raise_both(SIGINT, SIGTERM), testing::KilledBySignal(SIGTERM), "");
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
