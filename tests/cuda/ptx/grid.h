// A launch: its blocks, in some order.
#pragma once

#include <cstdint>

#include "tests/cuda/ptx/block.h"

namespace ptx {

/// How blocks and warps take turns. A kernel's result may not depend on it.
struct Schedule {
  bool backwards = false;      // the last block, and in it the last warp, first
  std::uint32_t resident = 1;  // blocks that have begun and take turns
};

/// Throws Fault, also where threads wait for ever.
void run_grid(Launch& launch, const Schedule& schedule);

}  // namespace ptx
