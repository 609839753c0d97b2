// Stopping by signal. SIGINT and SIGTERM ask the program to stop; the work in hand notices at its
// next safe point, a layer boundary at the latest. A second signal ends the process at once.
#pragma once

namespace sparse_transformer {

/// Installs the handlers of SIGINT and SIGTERM; the ones before are put back by the destructor.
class StopSignals {
 public:
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();
};

/// The signal that asked to stop, or 0. Safe from any thread.
int stop_signal();

/// Throws Interrupted once a stop has been asked for.
void throw_if_stopped();

}  // namespace sparse_transformer
