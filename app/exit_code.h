// From exceptions to exit codes.
#pragma once

#include <exception>

namespace sparse_transformer {

/// Whether the error says that the memory of the machine or the GPU did not suffice.
bool is_out_of_memory(const std::exception& error);

/// Reports the exception being handled as one line on stderr, and returns the program's exit code
/// for it: 2 the user's mistake, 1 anything else, 128 + signal where a signal stopped the program.
/// Call in a catch block.
int report_exception();

}  // namespace sparse_transformer
