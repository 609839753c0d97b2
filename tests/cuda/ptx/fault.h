// What a kernel must not do.
#pragma once

#include <stdexcept>
#include <string>

namespace ptx {

/// The PTX text uses something that the interpreter does not have. Its message names the statement.
class Unsupported : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A kernel did something that a GPU refuses or whose result is undefined. Its message names the
/// kernel, the block, the thread and the instruction.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The same before the context is known: thrown by an instruction, caught by the warp that runs it.
struct LaneFault {
  int lane;
  std::string message;
};

}  // namespace ptx
