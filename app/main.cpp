// sparse-transformer: trains and samples Sparse Transformers. Everything thrown anywhere ends here,
// as one line on stderr and an exit code.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "app/command_line.h"
#include "app/exit_code.h"
#include "runtime/kept_memory.h"

namespace {

// A file that is opened gets the lowest free number: where stderr is closed, its lines would go
// into that file. Opened for reading, standard output still fails a write.
void open_closed_standard_streams() {
  int opened = 0;
  do {
    opened = ::open("/dev/null", O_RDONLY);
  } while (opened >= 0 && opened <= STDERR_FILENO);
  if (opened >= 0) ::close(opened);
}

}  // namespace

int main(int count, char** arguments) {
  open_closed_standard_streams();
  // A reader that has gone, and a file that may not grow, are errors of the write, not ends of the
  // process.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  sparse_transformer::keep_freed_memory();
  try {
    sparse_transformer::run_command_line(
        std::vector<std::string>(arguments + 1, arguments + count));
    return 0;
  } catch (...) {
    return sparse_transformer::report_exception();
  }
}
