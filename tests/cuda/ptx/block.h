// A block of threads: its warps, its shared memory and what it sees of other blocks.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tests/cuda/ptx/block_clock.h"
#include "tests/cuda/ptx/counters.h"
#include "tests/cuda/ptx/global_memory.h"
#include "tests/cuda/ptx/kernel.h"
#include "tests/cuda/ptx/shared_memory.h"
#include "tests/cuda/ptx/warp.h"

namespace ptx {

using Size3 = std::array<std::uint32_t, 3>;

/// What the blocks of a launch have in common.
struct Launch {
  const Kernel* kernel = nullptr;
  Size3 grid = {}, block = {};
  std::vector<unsigned char> parameters;
  std::uint32_t dynamic_shared_bytes = 0;
  GlobalMemory* memory = nullptr;
  Counters* counters = nullptr;
  /// Grows with whatever others may be waiting for, and with each turn that a warp used up.
  std::int64_t progress = 0;

  std::uint32_t shared_bytes() const;
};

class Block {
 public:
  explicit Block(Launch& launch);

  /// Begins as block `number` of the launch.
  void start(std::uint32_t number);

  /// Executes up to `instructions` instructions of each warp. Throws Fault.
  void run(std::int64_t instructions, bool backwards);
  bool is_done() const;
  /// Throws a Fault that names the first of its threads that waits for other blocks.
  [[noreturn]] void fail_waiting() const;

  const Kernel& kernel() const { return *launch_.kernel; }
  std::uint32_t number() const { return number_; }
  Size3 index() const { return position(number_, launch_.grid); }
  Size3 blocks_by_axis() const { return launch_.grid; }
  Size3 threads_by_axis() const { return launch_.block; }
  int threads() const;
  Size3 thread_index(int thread) const {
    return position(static_cast<std::uint32_t>(thread), launch_.block);
  }

  // What instructions use.
  SharedMemory& shared() { return shared_; }
  GlobalMemory& global() { return *launch_.memory; }
  const std::vector<unsigned char>& parameters() const { return launch_.parameters; }
  BlockView& view() { return view_; }
  Counters& counters() { return *launch_.counters; }
  void count(const Instruction& instruction, Mask lanes);
  /// Something has changed that other threads may be waiting for.
  void note_progress() { ++launch_.progress; }

 private:
  static Size3 position(std::uint32_t number, const Size3& sizes);
  void pass_barrier_together();

  Launch& launch_;
  std::uint32_t number_ = 0;
  std::vector<Warp> warps_;
  SharedMemory shared_;
  BlockView view_;
};

}  // namespace ptx
