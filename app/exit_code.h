// From exceptions to exit codes.
#pragma once

namespace sparse_transformer {

/// Reports the exception being handled as one line on stderr, and returns the program's exit code
/// for it: 2 the user's mistake, 1 anything else, 128 + signal where a signal stopped the program.
/// Call in a catch block.
int report_exception();

}  // namespace sparse_transformer
