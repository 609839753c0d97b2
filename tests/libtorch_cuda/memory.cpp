#include "tests/libtorch_cuda/memory.h"

#include <map>
#include <utility>

#include "tests/cuda/device.h"

namespace libtorch_cuda {
namespace {

ptx::GlobalMemory& memory() { return ptx::Device::instance().memory(); }

/// Kept memory, and whether LibTorch has freed it.
std::map<void*, bool>& kept() {
  static std::map<void*, bool> all;
  return all;
}

bool is_keeping = false;
std::vector<void*> kept_by_the_recording;

void release(void* data) {
  const auto found = kept().find(data);
  if (found == kept().end()) {
    memory().free(data);
  } else {
    found->second = true;
  }
}

}  // namespace

c10::DataPtr allocate(std::size_t bytes) {
  const c10::Device device{c10::kCUDA, 0};
  if (bytes == 0) return {nullptr, device};
  void* const data = memory().allocate(bytes);
  if (is_keeping) {
    kept()[data] = false;
    kept_by_the_recording.push_back(data);
  }
  return {data, data, &release, device};
}

void begin_keeping() { is_keeping = true; }

std::vector<void*> end_keeping() {
  is_keeping = false;
  return std::exchange(kept_by_the_recording, {});
}

void give_back(const std::vector<void*>& all) {
  for (void* const data : all) {
    const bool is_freed = kept().at(data);
    kept().erase(data);
    if (is_freed) memory().free(data);
  }
}

void expect_allocated(const void* data, std::size_t bytes) {
  TORCH_CHECK(bytes == 0 || memory().holds(data, bytes), "memory that was freed is used");
}

void mark_written(const void* data, std::size_t bytes) {
  TORCH_CHECK(bytes == 0 || memory().mark_written(data, bytes), "memory that was freed is written");
}

void poison(void* data, std::size_t bytes) {
  if (bytes > 0) memory().host_fill(data, 0xff, bytes);
}

}  // namespace libtorch_cuda
