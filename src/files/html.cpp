#include "files/html.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>

namespace sparse_transformer {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Bytes of the character that begins here: 0 where it is none (RFC 3629, §4).
std::size_t character_length(std::string_view text) {
  const auto byte = [&text](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const auto follows = [&byte](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 || first == '\n' || first == '\t' ? 1 : 0;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) >= 0xA0;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && byte(1) < 0x90;
    const bool too_high = first == 0xF4 && byte(1) >= 0x90;
    return follows(1) && follows(2) && follows(3) && !overlong && !too_high ? 4 : 0;
  }
  return 0;
}

std::string_view escaped(std::string_view character) {
  if (character == "<") return "&lt;";
  if (character == ">") return "&gt;";
  if (character == "&") return "&amp;";
  if (character == "\"") return "&quot;";
  if (character == "'") return "&#39;";
  return character;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string html;
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    html += length == 0 ? kReplacement : escaped(text.substr(0, length));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return html;
}

std::string data_address(std::string_view media_type, std::span<const std::byte> content) {
  // EVP_EncodeBlock counts in int, and takes any multiple of 3 at a time.
  constexpr std::size_t kPiece = 3U << 20U;
  std::string address = "data:";
  address.append(media_type).append(";base64,");
  for (std::size_t begin = 0; begin < content.size(); begin += kPiece) {
    const auto piece = content.subspan(begin, std::min(kPiece, content.size() - begin));
    std::string encoded((piece.size() + 2) / 3 * 4 + 1, '\0');  // and a zero at its end
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                       reinterpret_cast<const unsigned char*>(piece.data()),
                                       static_cast<int>(piece.size()));
    address.append(encoded, 0, static_cast<std::size_t>(length));
  }
  return address;
}

}  // namespace sparse_transformer
