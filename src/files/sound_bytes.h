// Bytes of sound files as text and little-endian numbers.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

namespace sparse_transformer {

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The little-endian number at `offset`, which must lie within the bytes.
template <typename Number>
Number number_at(std::span<const std::byte> bytes, std::size_t offset) {
  Number number = 0;
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

}  // namespace sparse_transformer
