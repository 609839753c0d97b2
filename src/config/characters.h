// The characters of a text: which of them a terminal, a line of the log or a config can show.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sparse_transformer {

struct Character {
  char32_t code;       // kNoCharacter: the byte is not UTF-8
  std::size_t length;  // in bytes; of one that is not UTF-8: 1
};
inline constexpr char32_t kNoCharacter = 0xFFFFFFFF;

/// Decodes the first character of a text (RFC 3629). Requires a text that is not empty.
Character first_character(std::string_view text);

bool is_utf8(std::string_view text);

/// Whether the character controls a terminal or the layout of text: C0, DEL, C1, line and paragraph
/// separators, and overrides of the direction of writing.
bool is_control(char32_t code);

/// Returns a control character as an escape sequence of YAML and JSON: \n, \x1b, \u202e.
std::string escape_sequence(char32_t control);

/// Returns the text as one line that is safe to show: control characters and bytes that are not
/// UTF-8 are replaced by escape sequences. Everything else, backslashes included, stays.
std::string printable(std::string_view text);

/// Names the first character that looks like nothing or like another one, as an addition to an
/// error: " (it has a no-break space, U+00A0)". Returns an empty text where there is none.
std::string strange_character(std::string_view text);

}  // namespace sparse_transformer
