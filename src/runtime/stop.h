// Stopping by signal. SIGINT (Ctrl-C), SIGTERM, SIGHUP (a closed terminal), SIGUSR1 and SIGUSR2 (a
// cluster's warnings) and SIGXCPU (the limit of processor time) ask the program to stop; the work
// in hand notices at its next safe point, a layer boundary at the latest. A SIGINT or SIGTERM that
// follows ends the process at once.
#pragma once

namespace sparse_transformer {

/// Installs the handlers of these signals; the destructor restores the previous ones. A command
/// does so once it has read its config, which may come from a pipe: until then a signal ends it at
/// once. A signal that is ignored stays ignored: nohup ignores SIGHUP, a shell SIGINT of what it
/// starts in the background.
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
