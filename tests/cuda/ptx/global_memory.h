// The device's memory: what cudaMalloc gave out, with who last used each byte during the launch:
// the last thread that wrote it, and the last block's threads that read it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/cuda/ptx/block_clock.h"

namespace ptx {

/// Who accesses memory.
struct Accessor {
  const BlockView* view;
  int thread;
};

/// Device addresses are the host's.
class GlobalMemory {
 public:
  void* allocate(std::uint64_t bytes);
  /// Whether the address was one that allocate() returned.
  bool free(void* address);

  /// Whether the range is within one allocation.
  bool holds(const void* address, std::uint64_t bytes) const;

  /// The host's accesses. They return false where the range is not within one allocation.
  bool host_write(void* to, const void* from, std::uint64_t bytes);
  /// 0xff is how tests poison memory: such bytes count as not written.
  bool host_fill(void* to, int value, std::uint64_t bytes);
  bool host_read(void* to, const void* from, std::uint64_t bytes) const;
  /// The host has written there by other means.
  bool mark_written(const void* address, std::uint64_t bytes);

  /// Accesses of earlier launches are over.
  void begin_launch();

  /// Of a thread, aligned to `bytes`. Throws LaneFault where the access is out of bounds or
  /// misaligned, reads what nobody wrote, or races with another thread of this launch.
  void read(std::uint64_t address, std::uint32_t bytes, const Accessor& accessor, void* into);
  void write(std::uint64_t address, std::uint32_t bytes, const Accessor& accessor,
             const void* from);

  /// A number that threads change by atomic operations: no race, whoever else does so.
  std::uint32_t* atomic_number(std::uint64_t address, BlockView& view, int thread);
  std::uint32_t acquire_number(std::uint64_t address, BlockView& view, int thread);

 private:
  struct Use {
    std::uint32_t launch = 0, block = 0, interval = 0;
    int thread = 0;  // kSeveral: of that block
  };
  static constexpr int kSeveral = -1;
  struct Uses {
    Use write, read;
  };
  struct Allocation {
    std::uint64_t begin, bytes;
    std::unique_ptr<unsigned char[]> memory;
    std::vector<unsigned char> is_written;  // of each byte
    std::vector<Uses> uses;                 // of each byte; empty until a thread accesses one
  };
  /// What is known of some bytes in a row.
  struct Bytes {
    unsigned char* is_written;
    Uses* uses;
  };

  Allocation* find(std::uint64_t address, std::uint64_t bytes) const;
  /// For the host. Returns false where the range is not within one allocation.
  bool set_written(const void* address, std::uint64_t bytes, bool is_written);
  Bytes bytes_at(std::uint64_t address, std::uint32_t bytes);
  Use use_of(const Accessor& accessor) const;
  static std::string name_of(const Use& use);
  /// Whether what `use` did has happened before what the accessor does.
  bool is_before(const Use& use, const Accessor& accessor) const;

  std::map<std::uint64_t, std::unique_ptr<Allocation>> allocations_;  // by their first address
  mutable Allocation* last_found_ = nullptr;
  std::uint32_t launch_ = 0;
  PublishedClocks published_;
};

}  // namespace ptx
