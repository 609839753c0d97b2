// How much memory a piece of work takes.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>

namespace sparse_transformer {

/// Watches the memory in use from its construction on: on the CPU what is resident of the process,
/// on CUDA what LibTorch's allocator has given out. Of several at a time the last one is right.
class PeakMemory {
 public:
  /// Memory that nobody uses goes back to the system first, and the peak so far is forgotten.
  explicit PeakMemory(c10::Device device);

  /// Bytes by which the peak since then exceeds what was in use then; nothing where the system does
  /// not tell (/proc/self/clear_refs cannot be written).
  std::optional<std::int64_t> growth() const;

 private:
  c10::Device device_;
  std::optional<std::int64_t> before_;  // bytes in use
};

}  // namespace sparse_transformer
