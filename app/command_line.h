// The command line: which command, its options, and the options that every command takes.
#pragma once

#include <string>
#include <vector>

namespace sparse_transformer {

/// Runs what the arguments (without the program's name) ask for; none ask for the help. Throws
/// UserError on a mistake in them, with the nearest known command or option, and whatever the
/// command throws.
void run_command_line(std::vector<std::string> arguments);

}  // namespace sparse_transformer
