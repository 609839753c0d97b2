#include "files/html.h"

#include <openssl/evp.h>

#include <algorithm>

#include "config/characters.h"

namespace sparse_transformer {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

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
    const auto [code, length] = first_character(text);
    const bool is_hidden =
        code == kNoCharacter || (is_control(code) && code != '\n' && code != '\t');
    html += is_hidden ? kReplacement : escaped(text.substr(0, length));
    text.remove_prefix(length);
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
