// The 32 threads of a warp, which execute one instruction after the other together. Where a branch
// parts them they follow paths of their own until they meet at the same instruction again.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/cuda/ptx/kernel.h"

namespace ptx {

class Block;

template <typename F>
void for_each_lane(Mask lanes, const F& f) {
  if (lanes == kAllLanes) {
    for (int lane = 0; lane < kLanes; ++lane) f(lane);
    return;
  }
  for (; lanes != 0; lanes &= lanes - 1) f(std::countr_zero(lanes));
}

/// A copy into shared memory that has begun (cp.async).
struct Copy {
  std::uint64_t address;
  std::uint32_t bytes;
  std::array<unsigned char, 16> data;
};

/// The copies of one thread, in groups (cp.async.commit_group).
class CopyQueue {
 public:
  void add(const Copy& copy) { open_.push_back(copy); }
  void commit();
  /// Removes all but the last `groups` groups and returns their copies.
  std::vector<Copy> take_all_but(std::size_t groups);
  bool is_empty() const;

 private:
  std::vector<Copy> open_;
  std::vector<std::vector<Copy>> groups_;
};

class Warp {
 public:
  enum class State : std::uint8_t { kRunning, kAtBarrier, kDone };

  /// Begins at the first instruction, as warp `index` of the block.
  void start(Block& block, int index);

  /// Executes until all its threads are at a barrier or have exited, until one yields, or
  /// `instructions` instructions. Throws Fault.
  void run(std::int64_t instructions);
  /// Leaves the barrier.
  void pass_barrier();

  State state() const { return state_; }
  /// The instruction that it executes, or waits at.
  const Instruction& at() const;
  /// Throws a Fault that names the place: this lane's thread at that instruction, or the first
  /// thread that is there.
  [[noreturn]] void fail(const std::string& message, int lane) const;
  [[noreturn]] void fail(const std::string& message) const;

  // What instructions use.

  /// A register's numbers, one a lane.
  template <typename T>
  T* lanes(Slot slot) {
    return reinterpret_cast<T*>(registers_.data() + slot.offset);
  }
  /// A register's number, extended with zeros.
  std::uint64_t number(Slot slot, int lane) const;
  void set_number(Slot slot, int lane, std::uint64_t value);
  Block& block() { return *block_; }
  /// The number of a lane's thread in its block.
  int thread(int lane) const { return index_ * kLanes + lane; }
  CopyQueue& copies(int lane) { return copies_[static_cast<std::size_t>(lane)]; }
  std::vector<unsigned char>& local(int lane) { return local_[static_cast<std::size_t>(lane)]; }
  Mask live_lanes() const { return live_; }

 private:
  /// Threads that are at the same instruction.
  struct Path {
    int at;
    Mask lanes;
    bool waits;  // for other threads of the warp
  };

  Path* next_path();
  void step(Path& path);
  Mask guarded(const Instruction& instruction, const Path& path) const;
  void branch(Path& path, Mask taken, int target);
  void exit(Path& path, Mask lanes);
  void execute(const Instruction& instruction, Mask lanes);
  /// Whether all threads that the instruction wants are on this path; otherwise it waits.
  bool has_come_together(Path& path, const Instruction& instruction, Mask lanes);
  /// Sorts the paths and joins those that have met.
  void join_paths();

  Block* block_ = nullptr;
  int index_ = 0;
  State state_ = State::kDone;
  int at_ = 0;  // of the path that it follows
  Mask live_ = 0;
  bool has_yielded_ = false;
  std::vector<Path> paths_;  // by instruction
  std::vector<unsigned char> registers_;
  std::array<CopyQueue, kLanes> copies_;
  std::array<std::vector<unsigned char>, kLanes> local_;
};

}  // namespace ptx
