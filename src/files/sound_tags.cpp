#include "files/sound_tags.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "files/sound_bytes.h"

namespace sparse_transformer {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kId3v1 = 128, kId3v2 = 10, kApe = 32;

/// The size in bytes 6 to 9 of an ID3v2 header or footer: 4 × 7 bits, without the header itself.
std::size_t id3v2_size(Bytes header) {
  std::size_t size = 0;
  for (std::size_t i = 6; i < kId3v2; ++i) {
    size = size << 7 | (std::to_integer<std::size_t>(header[i]) & 0x7F);
  }
  return size;
}

/// The size of the tag that begins here, or 0. It may be more than there are bytes.
std::size_t tag_at_begin(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  if (text.starts_with("ID3") && bytes.size() >= kId3v2) {
    constexpr std::byte kHasFooter{0x10};
    const bool has_footer = (bytes[5] & kHasFooter) != std::byte{0};
    return kId3v2 + id3v2_size(bytes) + (has_footer ? kId3v2 : 0);
  }
  if (text.starts_with("TAG") && bytes.size() >= kId3v1) return kId3v1;
  // "APETAGEX", u32le version, size (without this header), entries, flags, 8 zeros
  if (text.starts_with("APETAGEX") && bytes.size() >= kApe) {
    return kApe + number_at<std::uint32_t>(bytes, 12);
  }
  return 0;
}

/// Lyrics3v2 ends with its size in 6 digits (without these and the word) and "LYRICS200"; Lyrics3v1
/// has at most 5,100 bytes between its two words.
std::size_t lyrics_at_end(std::string_view text) {
  constexpr std::size_t kDigits = 6, kWord = 9, kMostV1 = 5100;
  constexpr std::string_view kBegin = "LYRICSBEGIN";
  if (text.ends_with("LYRICS200") && text.size() >= kDigits + kWord) {
    const char* digits = text.data() + text.size() - kDigits - kWord;
    std::size_t size = 0;
    const auto parsed = std::from_chars(digits, digits + kDigits, size);
    return parsed.ptr == digits + kDigits ? size + kDigits + kWord : 0;
  }
  if (text.ends_with("LYRICSEND")) {
    const std::size_t begin = text.rfind(kBegin);
    const bool is_near =
        begin != text.npos && text.size() - begin <= kBegin.size() + kMostV1 + kWord;
    return is_near ? text.size() - begin : 0;
  }
  return 0;
}

/// The size of the tag that ends here, or 0. It may be more than there are bytes.
std::size_t tag_at_end(Bytes bytes) {
  if (bytes.size() >= kId3v1 && as_text(bytes.last(kId3v1)).starts_with("TAG")) {
    constexpr std::size_t kExtended = 227;  // before it, of programs that needed more room
    const Bytes before = bytes.first(bytes.size() - kId3v1);
    const bool is_extended =
        before.size() >= kExtended && as_text(before.last(kExtended)).starts_with("TAG+");
    return kId3v1 + (is_extended ? kExtended : 0);
  }
  if (bytes.size() >= kApe && as_text(bytes.last(kApe)).starts_with("APETAGEX")) {
    // The size is without the header, which the highest flag stands for.
    const Bytes footer = bytes.last(kApe);
    const std::size_t header = (number_at<std::uint32_t>(footer, 20) >> 31) * kApe;
    return number_at<std::uint32_t>(footer, 12) + header;
  }
  if (bytes.size() >= kId3v2 && as_text(bytes.last(kId3v2)).starts_with("3DI")) {
    return id3v2_size(bytes.last(kId3v2)) + 2 * kId3v2;
  }
  return lyrics_at_end(as_text(bytes));
}

}  // namespace

Bytes without_tags_before(Bytes bytes) {
  while (true) {
    const auto zeros = std::find_if(bytes.begin(), bytes.end(),
                                    [](std::byte byte) { return byte != std::byte{0}; });
    bytes = bytes.subspan(static_cast<std::size_t>(zeros - bytes.begin()));
    const std::size_t size = tag_at_begin(bytes);
    if (size == 0) return bytes;
    bytes = bytes.subspan(std::min(size, bytes.size()));
  }
}

Bytes without_tags_after(Bytes bytes) {
  while (true) {
    const std::size_t size = tag_at_end(bytes);
    if (size == 0) return bytes;
    bytes = bytes.first(bytes.size() - std::min(size, bytes.size()));
  }
}

}  // namespace sparse_transformer
