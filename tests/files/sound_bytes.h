// Sound files put together by hand, byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sparse_transformer {

template <typename Number>
std::string little_endian(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A chunk of RIFF, with the zero behind an odd size.
inline std::string chunk(const std::string& name, const std::string& content) {
  return name + little_endian(static_cast<std::uint32_t>(content.size())) + content +
         std::string(content.size() % 2, '\0');
}

/// The content of "fmt " at 8,000 samples a second.
inline std::string wav_format(std::uint16_t channels, std::uint16_t bits,
                              std::uint16_t encoding = 1) {
  const std::uint32_t rate = 8000;
  const auto frame = static_cast<std::uint16_t>(channels * ((bits + 7) / 8));
  return little_endian(encoding) + little_endian(channels) + little_endian(rate) +
         little_endian<std::uint32_t>(rate * frame) + little_endian(frame) + little_endian(bits);
}

}  // namespace sparse_transformer
