#include "tests/cuda/ptx/global_memory.h"

#include <cstring>
#include <string>

#include "tests/cuda/ptx/fault.h"

namespace ptx {
namespace {

constexpr std::uint64_t kAlignment = 256;  // of cudaMalloc
constexpr int kUnknownLane = -1;           // the caller fills it in

[[noreturn]] void fail(const std::string& message) {
  throw LaneFault{kUnknownLane, "global memory: " + message};
}

std::uint64_t address_of(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

}  // namespace

void* GlobalMemory::allocate(std::uint64_t bytes) {
  auto allocation = std::make_unique<Allocation>();
  allocation->memory.reset(new unsigned char[bytes + kAlignment]);
  const std::uint64_t unaligned = address_of(allocation->memory.get());
  allocation->begin = (unaligned + kAlignment - 1) / kAlignment * kAlignment;
  allocation->bytes = bytes;
  allocation->is_written.resize(bytes, 0);
  auto* const begin = reinterpret_cast<void*>(allocation->begin);
  std::memset(begin, 0xff, bytes);
  allocations_[allocation->begin] = std::move(allocation);
  return begin;
}

bool GlobalMemory::free(void* address) {
  last_found_ = nullptr;
  return allocations_.erase(address_of(address)) == 1;
}

GlobalMemory::Allocation* GlobalMemory::find(std::uint64_t address, std::uint64_t bytes) const {
  const auto holds = [&](const Allocation* allocation) {
    if (allocation == nullptr || address < allocation->begin) return false;
    const std::uint64_t offset = address - allocation->begin;
    return offset <= allocation->bytes && bytes <= allocation->bytes - offset;
  };
  if (holds(last_found_)) return last_found_;
  auto next = allocations_.upper_bound(address);
  if (next == allocations_.begin()) return nullptr;
  Allocation* const candidate = std::prev(next)->second.get();
  if (!holds(candidate)) return nullptr;
  last_found_ = candidate;
  return candidate;
}

bool GlobalMemory::holds(const void* address, std::uint64_t bytes) const {
  return find(address_of(address), bytes) != nullptr;
}

bool GlobalMemory::set_written(const void* address, std::uint64_t bytes, bool is_written) {
  Allocation* const allocation = find(address_of(address), bytes);
  if (allocation == nullptr) return false;
  const std::uint64_t first = address_of(address) - allocation->begin;
  std::memset(allocation->is_written.data() + first, is_written ? 1 : 0, bytes);
  return true;
}

bool GlobalMemory::mark_written(const void* address, std::uint64_t bytes) {
  return set_written(address, bytes, true);
}

bool GlobalMemory::host_write(void* to, const void* from, std::uint64_t bytes) {
  if (bytes == 0) return true;  // of an empty vector, whose address may be null
  if (!set_written(to, bytes, true)) return false;
  std::memcpy(to, from, bytes);
  return true;
}

bool GlobalMemory::host_fill(void* to, int value, std::uint64_t bytes) {
  constexpr int kPoison = 0xff;
  if (!set_written(to, bytes, value != kPoison)) return false;
  std::memset(to, value, bytes);
  return true;
}

bool GlobalMemory::host_read(void* to, const void* from, std::uint64_t bytes) const {
  if (bytes == 0) return true;
  if (!holds(from, bytes)) return false;
  std::memcpy(to, from, bytes);
  return true;
}

void GlobalMemory::begin_launch() {
  ++launch_;
  published_.clear();
}

GlobalMemory::Bytes GlobalMemory::bytes_at(std::uint64_t address, std::uint32_t bytes) {
  if (address % bytes != 0) fail("address is not a multiple of " + std::to_string(bytes));
  Allocation* const allocation = find(address, bytes);
  if (allocation == nullptr) {
    fail(address < 4096 ? "null pointer" : "out of bounds of every allocation");
  }
  if (allocation->uses.empty()) allocation->uses.resize(allocation->bytes);
  const std::uint64_t first = address - allocation->begin;
  return {allocation->is_written.data() + first, allocation->uses.data() + first};
}

GlobalMemory::Use GlobalMemory::use_of(const Accessor& accessor) const {
  return {launch_, accessor.view->block(), accessor.view->interval(), accessor.thread};
}

std::string GlobalMemory::name_of(const Use& use) {
  return (use.thread == kSeveral ? "other threads" : "thread " + std::to_string(use.thread)) +
         " of block " + std::to_string(use.block);
}

bool GlobalMemory::is_before(const Use& use, const Accessor& accessor) const {
  if (use.launch != launch_) return true;
  if (use.block != accessor.view->block()) {
    return accessor.view->sees(accessor.thread, use.block, use.interval);
  }
  return use.thread == accessor.thread || use.interval < accessor.view->interval();
}

void GlobalMemory::read(std::uint64_t address, std::uint32_t bytes, const Accessor& accessor,
                        void* into) {
  const Use use = use_of(accessor);
  const auto [is_written, uses] = bytes_at(address, bytes);
  for (std::uint32_t i = 0; i < bytes; ++i) {
    Uses& its = uses[i];
    if (is_written[i] == 0) fail("read of what nobody wrote");
    if (!is_before(its.write, accessor)) {
      fail("race: read of what " + name_of(its.write) +
           " wrote, without anything that orders the two");
    }
    const bool reads_with_others = !is_before(its.read, accessor) && its.read.block == use.block;
    its.read = use;
    if (reads_with_others) its.read.thread = kSeveral;
  }
  std::memcpy(into, reinterpret_cast<const void*>(address), bytes);
}

void GlobalMemory::write(std::uint64_t address, std::uint32_t bytes, const Accessor& accessor,
                         const void* from) {
  const Use use = use_of(accessor);
  const auto [is_written, uses] = bytes_at(address, bytes);
  for (std::uint32_t i = 0; i < bytes; ++i) {
    for (const auto& [earlier, did] :
         {std::pair(uses[i].write, " wrote"), {uses[i].read, " read"}}) {
      if (is_before(earlier, accessor)) continue;
      fail("race: write over what " + name_of(earlier) + did +
           ", without anything that orders the two");
    }
    uses[i].write = use;
    is_written[i] = 1;
  }
  std::memcpy(reinterpret_cast<void*>(address), from, bytes);
}

std::uint32_t* GlobalMemory::atomic_number(std::uint64_t address, BlockView& view, int thread) {
  if (*bytes_at(address, sizeof(std::uint32_t)).is_written == 0) fail("read of what nobody wrote");
  view.atomic(thread, address, published_);
  return reinterpret_cast<std::uint32_t*>(address);
}

std::uint32_t GlobalMemory::acquire_number(std::uint64_t address, BlockView& view, int thread) {
  if (*bytes_at(address, sizeof(std::uint32_t)).is_written == 0) fail("read of what nobody wrote");
  view.acquire(thread, address, published_);
  return *reinterpret_cast<const std::uint32_t*>(address);
}

}  // namespace ptx
