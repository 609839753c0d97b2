#include "runtime/stop.h"

#include <array>
#include <atomic>
#include <csignal>

#include "config/errors.h"

namespace sparse_transformer {

namespace {

constexpr std::array<int, 6> kSignals = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU};

std::atomic<int> requested = 0;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may use no lock");

std::array<struct sigaction, kSignals.size()> previous;

// The first signal is only noted. A SIGINT or SIGTERM after it gets its default action: the signal
// is blocked while its handler runs, so the process ends when the handler returns, and a shell sees
// 128 + signal. The others are sent more than once for one event: SIGHUP by the shell and by the
// kernel when a terminal is closed, SIGUSR1 and SIGUSR2 by a cluster to a job and its steps,
// SIGXCPU every second.
void on_signal(int signal) {
  int none = 0;
  if (requested.compare_exchange_strong(none, signal)) return;
  if (signal != SIGINT && signal != SIGTERM) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

bool is_ignored(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

StopSignals::StopSignals() {
  requested = 0;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // a read or write in hand goes on; the stop waits for a safe point
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], nullptr, &previous[i]);
    if (!is_ignored(previous[i])) sigaction(kSignals[i], &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &previous[i], nullptr);
}

int stop_signal() { return requested; }

void throw_if_stopped() {
  if (const int signal = stop_signal(); signal != 0) throw Interrupted(signal);
}

}  // namespace sparse_transformer
