// The shared memory of a block. It knows of each byte whether it was written and who last used it
// since the last barrier, so that it can tell what compute-sanitizer tells on a GPU: accesses out
// of bounds, misaligned ones, reads of what nobody wrote, and races between threads.
#pragma once

#include <cstdint>
#include <vector>

namespace ptx {

class SharedMemory {
 public:
  /// Every byte is 0xff, unwritten.
  void reset(std::uint32_t bytes);

  /// `thread` reads or writes `bytes` bytes. Throws LaneFault.
  void read(std::uint64_t address, std::uint32_t bytes, int thread, void* into);
  void write(std::uint64_t address, std::uint32_t bytes, int thread, const void* from);

  /// An asynchronous copy (cp.async): the bytes arrive at some time between the two calls, so
  /// nobody may use them before finish_copy().
  void begin_copy(std::uint64_t address, std::uint32_t bytes, int thread);
  void finish_copy(std::uint64_t address, std::uint32_t bytes, int thread, const void* from);

  /// Every thread has come to a barrier.
  void barrier() { ++interval_; }

 private:
  struct Byte {
    std::uint32_t write_interval = 0, read_interval = 0;
    std::int16_t writer = 0, reader = 0;  // of those intervals; kSeveral: more than one reader
    bool is_written = false, is_arriving = false;
  };
  static constexpr std::int16_t kSeveral = -1;

  std::uint32_t offset_of(std::uint64_t address, std::uint32_t bytes) const;
  void check_write(const Byte& byte, int thread) const;
  void mark_written(Byte& byte, int thread);

  std::vector<unsigned char> data_;
  std::vector<Byte> bytes_;
  std::uint32_t interval_ = 1;  // between barriers
};

}  // namespace ptx
