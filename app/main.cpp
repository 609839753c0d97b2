// sparse-transformer: trains and samples Sparse Transformers. Everything thrown anywhere ends here,
// as one line on stderr and an exit code.
#include <csignal>
#include <string>
#include <vector>

#include "app/command_line.h"
#include "app/exit_code.h"
#include "runtime/kept_memory.h"

int main(int count, char** arguments) {
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
