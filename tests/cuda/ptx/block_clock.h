// Which writes of other blocks a thread is entitled to see: the happens-before relation of the PTX
// memory model (PTX ISA, "Memory Consistency Model"), kept for whole blocks between barriers.
//
// A block publishes what it wrote before its last barrier when one of its threads executes a fence
// (membar.gl) and then an atomic operation. Another thread receives it when it reads that number
// with acquire semantics, or with an atomic operation that a fence follows; the threads of its
// block have it after the next barrier. What a thread wrote itself after the last barrier counts as
// not published: a kernel needs a barrier before the fence.
//
// For example, block A adds to a total in turn before block B:
//
//     A: all threads write; barrier; one thread: fence, then atomic add to a counter (published)
//     B: one thread reads the counter with acquire semantics (received); barrier; all threads read
//
// Without A's fence the counter carries nothing, and without B's barrier only the thread that read
// the counter sees what A wrote. Both are reported when B reads the total.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace ptx {

/// Of each block how many of its intervals between barriers are visible; a missing entry is 0.
class BlockClock {
 public:
  std::uint32_t operator[](std::uint32_t block) const {
    return block < seen_.size() ? seen_[block] : 0;
  }
  void raise(std::uint32_t block, std::uint32_t intervals);
  void merge(const BlockClock& other);
  bool is_empty() const { return seen_.empty(); }
  void clear() { seen_.clear(); }

 private:
  std::vector<std::uint32_t> seen_;
};

/// Numbers in global memory that blocks use to wait for each other.
using PublishedClocks = std::map<std::uint64_t, BlockClock>;

/// What the threads of one block see.
class BlockView {
 public:
  void reset(std::uint32_t block);

  std::uint32_t block() const { return block_; }
  std::uint32_t interval() const { return interval_; }

  bool sees(int thread, std::uint32_t block, std::uint32_t interval) const;

  void fence(int thread);
  void atomic(int thread, std::uint64_t address, PublishedClocks& published);
  void acquire(int thread, std::uint64_t address, const PublishedClocks& published);
  /// Every thread has come to a barrier.
  void barrier();

 private:
  /// Of a thread that took part in an exchange.
  struct Exchange {
    BlockClock seen;      // since the last barrier
    BlockClock received;  // to be seen after the next fence
    BlockClock released;  // what its atomic operations publish
  };

  std::uint32_t block_ = 0, interval_ = 1;
  BlockClock seen_;  // by every thread
  std::map<int, Exchange> exchanges_;
};

}  // namespace ptx
