#include "runtime/peak_memory.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <malloc.h>

#include <fstream>
#include <string>

#include "runtime/kept_memory.h"

namespace sparse_transformer {
namespace {

/// A line of /proc/self/status that is a number of KiB, as bytes.
std::optional<std::int64_t> status_bytes(const std::string& key) {
  constexpr std::int64_t kKibibyte = 1024;
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::int64_t kibibytes = 0;
    if (word == key + ":" && status >> kibibytes) return kKibibyte * kibibytes;
  }
  return std::nullopt;
}

/// Makes VmHWM what is resident now (proc(5)). Whether the system allows it.
bool forget_resident_peak() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return file.good();
}

c10::CachingDeviceAllocator::Stat allocated(c10::Device device) {
  constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return c10::getDeviceAllocator(device.type())
      ->getDeviceStats(device.index())
      .allocated_bytes.at(kAll);
}

}  // namespace

PeakMemory::PeakMemory(c10::Device device) : device_(device) {
  if (device.is_cuda()) {
    c10::getDeviceAllocator(device.type())->resetPeakStats(device.index());
    before_ = allocated(device).current;
    return;
  }
  give_back_kept_memory();
  ::malloc_trim(0);
  if (forget_resident_peak()) before_ = status_bytes("VmRSS");
}

std::optional<std::int64_t> PeakMemory::growth() const {
  const auto peak = device_.is_cuda() ? allocated(device_).peak : status_bytes("VmHWM");
  if (!before_ || !peak) return std::nullopt;
  return *peak - *before_;
}

}  // namespace sparse_transformer
