#include "config/characters.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace sparse_transformer {
namespace {

constexpr char32_t kLastAscii = 0x7F;

bool is_between(char32_t code, char32_t first, char32_t last) {
  return code >= first && code <= last;
}

std::string hexadecimal(char32_t code, std::size_t digits) {
  std::string text;
  while (text.size() < digits || code > 0) {
    text.insert(text.begin(), "0123456789abcdef"[code % 16]);
    code /= 16;
  }
  return text;
}

/// Bytes of the character that begins with `first`; 0 where none does.
std::size_t length_from(std::uint8_t first) {
  if (first <= kLastAscii) return 1;
  if (is_between(first, 0xC2, 0xDF)) return 2;
  if (is_between(first, 0xE0, 0xEF)) return 3;
  return is_between(first, 0xF0, 0xF4) ? 4 : 0;
}

/// Whether a character of this many bytes may have this code (no overlong forms, no surrogates).
bool is_well_formed(char32_t code, std::size_t length) {
  constexpr std::array<char32_t, 5> kLowest = {0, 0, 0x80, 0x800, 0x10000};
  return code >= kLowest.at(length) && code <= 0x10FFFF && !is_between(code, 0xD800, 0xDFFF);
}

struct NamedCharacter {
  char32_t code;
  std::string_view name;
};
constexpr std::array kStrange = {NamedCharacter{0x0085, "a next-line character"},
                                 NamedCharacter{0x00A0, "a no-break space"},
                                 NamedCharacter{0x00AD, "a soft hyphen"},
                                 NamedCharacter{0x200B, "a zero-width space"},
                                 NamedCharacter{0x200C, "a zero-width mark"},
                                 NamedCharacter{0x200D, "a zero-width mark"},
                                 NamedCharacter{0x2060, "a zero-width mark"},
                                 NamedCharacter{0x2028, "a line separator"},
                                 NamedCharacter{0x2029, "a line separator"},
                                 NamedCharacter{0x202F, "a no-break space"},
                                 NamedCharacter{0x2212, "a minus sign that is no hyphen"},
                                 NamedCharacter{0x3000, "a wide space"},
                                 NamedCharacter{0xFEFF, "a byte order mark"},
                                 NamedCharacter{0xFF1A, "a full-width colon"}};

std::string_view strange_name(char32_t code) {
  const auto named = std::find_if(kStrange.begin(), kStrange.end(),
                                  [code](const NamedCharacter& each) { return each.code == code; });
  if (named != kStrange.end()) return named->name;
  if (code == 0x1680 || is_between(code, 0x2000, 0x200A) || code == 0x205F) return "a wide space";
  if (is_between(code, 0x2010, 0x2015)) return "a dash that is no hyphen";
  if (is_between(code, 0x2018, 0x201F)) return "a typographic quote";
  if (is_between(code, 0xFF01, 0xFF5E)) return "a full-width character";
  return code > kLastAscii && is_control(code) ? "a control character" : "";
}

}  // namespace

Character first_character(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::size_t length = length_from(byte(0));
  if (length == 1) return {byte(0), 1};
  constexpr Character kNone = {kNoCharacter, 1};
  if (length == 0 || length > text.size()) return kNone;
  char32_t code = byte(0) & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return kNone;
    code = (code << 6U) | (byte(i) & 0x3FU);
  }
  return is_well_formed(code, length) ? Character{code, length} : kNone;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.code == kNoCharacter) return false;
    text.remove_prefix(character.length);
  }
  return true;
}

bool is_control(char32_t code) {
  return code < 0x20 || is_between(code, 0x7F, 0x9F) || is_between(code, 0x2028, 0x202E) ||
         is_between(code, 0x2066, 0x2069);
}

std::string escape_sequence(char32_t control) {
  if (control == '\n') return "\\n";
  if (control == '\t') return "\\t";
  if (control == '\r') return "\\r";
  return control <= kLastAscii ? "\\x" + hexadecimal(control, 2) : "\\u" + hexadecimal(control, 4);
}

std::string printable(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const auto [code, length] = first_character(text);
    if (code == kNoCharacter) {
      line += "\\x" + hexadecimal(static_cast<std::uint8_t>(text[0]), 2);
    } else if (is_control(code)) {
      line += escape_sequence(code);
    } else {
      line += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return line;
}

std::string strange_character(std::string_view text) {
  while (!text.empty()) {
    const auto [code, length] = first_character(text);
    const std::string_view name = code == kNoCharacter ? "" : strange_name(code);
    if (!name.empty()) {
      std::string digits = hexadecimal(code, 4);
      std::transform(digits.begin(), digits.end(), digits.begin(), [](char digit) {
        return digit >= 'a' ? static_cast<char>(digit - 'a' + 'A') : digit;
      });
      return " (it has " + std::string(name) + ", U+" + digits + ")";
    }
    text.remove_prefix(length);
  }
  return "";
}

}  // namespace sparse_transformer
