#include "files/sound_container.h"

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "config/errors.h"

namespace sparse_transformer {

namespace {

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The little-endian number at `offset`, which must lie within the bytes.
template <typename Number>
Number number_at(std::span<const std::byte> bytes, std::size_t offset) {
  Number number = 0;
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

// ---- OGG (RFC 3533, section 6) ----

constexpr std::size_t kPageHeader = 27;  // and then a byte for each segment, with its size
constexpr std::size_t kFlags = 5, kChecksum = 22, kSegments = 26;
constexpr std::byte kLastPage{0x04};

/// The page at the beginning of `bytes`; empty where there is no whole one.
std::span<const std::byte> first_page(std::span<const std::byte> bytes) {
  if (bytes.size() < kPageHeader || !as_text(bytes).starts_with("OggS")) return {};
  const std::size_t header = kPageHeader + std::to_integer<std::size_t>(bytes[kSegments]);
  if (bytes.size() < header) return {};
  std::size_t size = header;
  for (std::size_t i = kPageHeader; i < header; ++i) size += std::to_integer<std::size_t>(bytes[i]);
  return bytes.first(bytes.size() < size ? 0 : size);
}

/// The checksum of a page is made with zeros in its own place.
bool has_its_checksum(std::span<const std::byte> page) {
  constexpr std::array<std::byte, 4> kZeros{};
  boost::crc_optimal<32, 0x04C11DB7, 0, 0, false, false> crc;
  crc.process_bytes(page.data(), kChecksum);
  crc.process_bytes(kZeros.data(), kZeros.size());
  const auto rest = page.subspan(kChecksum + kZeros.size());
  crc.process_bytes(rest.data(), rest.size());
  return crc.checksum() == number_at<std::uint32_t>(page, kChecksum);
}

// ---- WAV ----

/// The encoding in the "fmt " chunk; 0 where there is none.
std::uint16_t wav_encoding(std::span<const std::byte> bytes) {
  constexpr std::size_t kChunkHeader = 8;
  for (auto rest = bytes.subspan(12); rest.size() >= kChunkHeader + sizeof(std::uint16_t);) {
    if (as_text(rest).starts_with("fmt ")) return number_at<std::uint16_t>(rest, kChunkHeader);
    const std::size_t size = number_at<std::uint32_t>(rest, 4);
    rest = rest.subspan(std::min(kChunkHeader + size + size % 2, rest.size()));
  }
  return 0;
}

}  // namespace

void check_wav(std::span<const std::byte> bytes, const std::string& name) {
  constexpr std::size_t kHeader = 12;             // "RIFF", u32le bytes that follow, "WAVE"
  constexpr std::uint32_t kUnknown = 0xFFFFFFFF;  // in files that were written to a pipe
  if (bytes.size() < kHeader || as_text(bytes).substr(8, 4) != "WAVE") {
    throw UserError(name + " is not a WAV file");
  }
  const auto length = number_at<std::uint32_t>(bytes, 4);
  if (length != kUnknown && length > bytes.size() - 8) {
    throw UserError(name + " is not a whole WAV file: it is cut off");
  }
  // integers, floating-point numbers, A-law, µ-law, any of these with more channels
  constexpr std::array<std::uint16_t, 5> kEncodings = {1, 3, 6, 7, 0xFFFE};
  const std::uint16_t encoding = wav_encoding(bytes);
  if (std::find(kEncodings.begin(), kEncodings.end(), encoding) == kEncodings.end()) {
    throw UserError(name + ": a WAV file of encoding " + std::to_string(encoding) +
                    ", expected PCM, A-law or mu-law");
  }
}

void check_ogg(std::span<const std::byte> bytes, const std::string& name) {
  bool is_last = false;
  while (!bytes.empty()) {
    const auto page = first_page(bytes);
    if (page.empty() || !has_its_checksum(page)) {
      throw UserError(name + " is not a whole OGG file: a page is cut off or damaged");
    }
    is_last = (page[kFlags] & kLastPage) != std::byte{0};
    bytes = bytes.subspan(page.size());
  }
  if (!is_last) throw UserError(name + " is not a whole OGG file: it ends early");
}

}  // namespace sparse_transformer
