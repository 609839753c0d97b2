// Numbers with their highest byte first, as PNG has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sparse_transformer {

/// The number of the first four bytes.
inline std::uint32_t big_endian(std::span<const std::byte> bytes) {
  std::uint32_t number = 0;
  for (const std::byte byte : bytes.first(4)) {
    number = number << 8U | std::to_integer<std::uint32_t>(byte);
  }
  return number;
}

}  // namespace sparse_transformer
