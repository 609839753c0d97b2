// How the accesses of a warp fall on memory.
#pragma once

#include <array>
#include <cstdint>

#include "tests/cuda/ptx/kernel.h"

namespace ptx {

/// Of each lane, where there is one.
using Addresses = std::array<std::uint64_t, kLanes>;

/// Parts of 32 bytes that aligned accesses of up to 32 bytes touch.
int count_sectors(const Addresses& addresses, Mask lanes);

/// Passes that shared memory takes over `bytes` bytes of each lane, and those that there would be
/// without conflicts. It has 32 banks of 4 bytes, and takes lanes of 8 bytes in two groups and
/// lanes of 16 bytes in four.
struct SharedPasses {
  int all = 0, ideal = 0;
};
SharedPasses count_passes(const Addresses& addresses, Mask lanes, std::uint32_t bytes);

}  // namespace ptx
