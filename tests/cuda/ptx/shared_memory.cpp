#include "tests/cuda/ptx/shared_memory.h"

#include <cstring>
#include <string>

#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/names.h"

namespace ptx {
namespace {

constexpr int kUnknownLane = -1;  // the caller fills it in

[[noreturn]] void fail(const std::string& message) {
  throw LaneFault{kUnknownLane, "shared memory: " + message};
}

}  // namespace

void SharedMemory::reset(std::uint32_t bytes) {
  data_.assign(bytes, 0xff);
  bytes_.assign(bytes, Byte());
  interval_ = 1;
}

std::uint32_t SharedMemory::offset_of(std::uint64_t address, std::uint32_t bytes) const {
  if (address % bytes != 0) {
    fail("address " + std::to_string(address) + " is not a multiple of " + std::to_string(bytes));
  }
  const std::uint64_t offset = address - kSharedBase;  // large where it is negative
  if (offset >= data_.size() || bytes > data_.size() - offset) {
    fail("out of bounds: byte " + std::to_string(static_cast<std::int64_t>(offset)) + " of " +
         std::to_string(data_.size()));
  }
  return static_cast<std::uint32_t>(offset);
}

void SharedMemory::read(std::uint64_t address, std::uint32_t bytes, int thread, void* into) {
  const std::uint32_t offset = offset_of(address, bytes);
  for (Byte* byte = &bytes_[offset]; byte != &bytes_[offset] + bytes; ++byte) {
    if (byte->is_arriving) fail("read of a copy that has not been waited for");
    if (!byte->is_written) fail("read of what nobody wrote");
    if (byte->write_interval == interval_ && byte->writer != thread) {
      fail("race: read of what thread " + std::to_string(byte->writer) +
           " wrote since the last barrier");
    }
    const bool is_first = byte->read_interval != interval_;
    byte->reader =
        is_first || byte->reader == thread ? static_cast<std::int16_t>(thread) : kSeveral;
    byte->read_interval = interval_;
  }
  std::memcpy(into, &data_[offset], bytes);
}

void SharedMemory::check_write(const Byte& byte, int thread) const {
  if (byte.is_arriving) fail("write over a copy that has not been waited for");
  if (byte.write_interval == interval_ && byte.writer != thread) {
    fail("race: write over what thread " + std::to_string(byte.writer) +
         " wrote since the last barrier");
  }
  if (byte.read_interval == interval_ && byte.reader != thread) {
    fail("race: write over what " +
         (byte.reader == kSeveral ? "other threads" : "thread " + std::to_string(byte.reader)) +
         " read since the last barrier");
  }
}

void SharedMemory::mark_written(Byte& byte, int thread) {
  byte.write_interval = interval_;
  byte.writer = static_cast<std::int16_t>(thread);
  byte.is_written = true;
}

void SharedMemory::write(std::uint64_t address, std::uint32_t bytes, int thread, const void* from) {
  const std::uint32_t offset = offset_of(address, bytes);
  for (Byte* byte = &bytes_[offset]; byte != &bytes_[offset] + bytes; ++byte) {
    check_write(*byte, thread);
    mark_written(*byte, thread);
  }
  std::memcpy(&data_[offset], from, bytes);
}

void SharedMemory::begin_copy(std::uint64_t address, std::uint32_t bytes, int thread) {
  const std::uint32_t offset = offset_of(address, bytes);
  for (Byte* byte = &bytes_[offset]; byte != &bytes_[offset] + bytes; ++byte) {
    check_write(*byte, thread);
    byte->is_arriving = true;
  }
}

void SharedMemory::finish_copy(std::uint64_t address, std::uint32_t bytes, int thread,
                               const void* from) {
  const std::uint32_t offset = offset_of(address, bytes);
  for (Byte* byte = &bytes_[offset]; byte != &bytes_[offset] + bytes; ++byte) {
    byte->is_arriving = false;
    mark_written(*byte, thread);
  }
  std::memcpy(&data_[offset], from, bytes);
}

}  // namespace ptx
