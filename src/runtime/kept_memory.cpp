#include "runtime/kept_memory.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace sparse_transformer {
namespace {

constexpr std::size_t kSmallest = std::size_t{1} << 17;  // below it LibTorch's own allocator serves
constexpr std::uintptr_t kPage = 4096;                   // where the system's mappings begin

/// A block for so many bytes: rounded up to one of eight sizes between two powers of two, so that
/// tensors of nearly one size share blocks.
std::size_t block_size(std::size_t bytes) {
  const auto zeros = std::bit_width(bytes) - 4;
  return (((bytes - 1) >> zeros) + 1) << zeros;
}

class KeptMemory final : public c10::Allocator {
 public:
  static KeptMemory& instance() {
    // Tensors that end after everything else still come here.
    static auto& memory = *new KeptMemory;  // NOLINT(cppcoreguidelines-owning-memory)
    return memory;
  }

  at::DataPtr allocate(std::size_t bytes) override {
    void* data = bytes < kSmallest ? nullptr : take(block_size(bytes));
    if (data == nullptr) data = ordinary_.raw_allocate(bytes);  // which says why it cannot
    return {data, data, release, at::kCPU};
  }

  /// oneDNN's products in bfloat16 ask for memory without an owner: a pointer alone must do.
  at::DeleterFnPtr raw_deleter() const override { return release; }

  void give_back_all() {
    const std::scoped_lock lock(mutex_);
    give_back(std::numeric_limits<std::size_t>::max());
  }

  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  KeptMemory() : ordinary_(*c10::GetDefaultCPUAllocator()) {}

  static void release(void* data) {
    if (!instance().keep(data)) instance().ordinary_.raw_deallocate(data);
  }

  void* take(std::size_t size) {
    const std::scoped_lock lock(mutex_);
    std::vector<void*>& fitting = kept_[size];
    void* block = nullptr;
    if (!fitting.empty()) {
      block = fitting.back();
      fitting.pop_back();
    } else {
      make_room(size);
      block = map(size);
      if (block == nullptr) return nullptr;
    }
    in_use_ += size;
    most_in_use_ = std::max(most_in_use_, in_use_);
    return block;
  }

  /// For a new block. A little more than was ever in use may be kept: sizes that take turns would
  /// otherwise be mapped anew each time.
  void make_room(std::size_t size) {
    constexpr std::size_t kSpareShare = 16, kLeastSpare = std::size_t{64} << 20;
    const std::size_t needed = std::max(most_in_use_, in_use_ + size);
    const std::size_t most = needed + std::max(needed / kSpareShare, kLeastSpare);
    if (mapped_ + size > most) give_back(mapped_ + size - most);
  }

  void* map(std::size_t size) {
    void* const block =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return nullptr;
    madvise(block, size, MADV_HUGEPAGE);  // a wish
    mapped_ += size;
    sizes_[block] = size;
    return block;
  }

  /// Whether it is a block of ours.
  bool keep(void* block) {
    if (reinterpret_cast<std::uintptr_t>(block) % kPage != 0) return false;
    const std::scoped_lock lock(mutex_);
    const auto found = sizes_.find(block);
    if (found == sizes_.end()) return false;
    const std::size_t size = found->second;
    in_use_ -= size;
    kept_[size].push_back(block);
    return true;
  }

  /// Frees kept blocks, the largest first, until so many bytes are free or none is kept.
  void give_back(std::size_t bytes) {
    std::size_t freed = 0;
    for (auto sized = kept_.rbegin(); sized != kept_.rend() && freed < bytes; ++sized) {
      auto& [size, blocks] = *sized;
      for (; !blocks.empty() && freed < bytes; blocks.pop_back()) {
        sizes_.erase(blocks.back());
        munmap(blocks.back(), size);
        freed += size;
      }
    }
    mapped_ -= freed;
  }

  c10::Allocator& ordinary_;
  std::mutex mutex_;
  std::unordered_map<void*, std::size_t> sizes_;           // of all blocks
  std::map<std::size_t, std::vector<void*>> kept_;         // by size
  std::size_t mapped_ = 0, in_use_ = 0, most_in_use_ = 0;  // bytes
};

}  // namespace

void keep_freed_memory() { c10::SetCPUAllocator(&KeptMemory::instance(), /*priority=*/1); }

void give_back_kept_memory() { KeptMemory::instance().give_back_all(); }

}  // namespace sparse_transformer
