// What a kernel does, counted: numbers that do not depend on a clock.
#pragma once

#include <cstdint>

namespace ptx {

struct Counters {
  std::int64_t launches = 0;
  std::int64_t blocks = 0;
  std::int64_t instructions = 0;          // of warps, as a scheduler issues them
  std::int64_t lane_instructions = 0;     // of threads
  std::int64_t tensor_core_products = 0;  // mma instructions
  std::int64_t global_read_bytes = 0, global_written_bytes = 0;
  /// Parts of 32 bytes that the warps' accesses touch, each access by itself.
  std::int64_t global_read_sectors = 0, global_written_sectors = 0;
  /// Passes that the warps' accesses to shared memory take, and those of them that are there
  /// because two lanes want different words of one bank.
  std::int64_t shared_passes = 0, bank_conflicts = 0;
  std::int64_t local_accesses = 0;
};

}  // namespace ptx
