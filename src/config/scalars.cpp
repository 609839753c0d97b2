#include "config/scalars.h"

#include <yaml-cpp/binary.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <system_error>

#include "config/characters.h"

namespace sparse_transformer {
namespace {

constexpr std::size_t longest_shown = 80;

template <std::size_t size>
bool contains(const std::array<std::string_view, size>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower) {
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return lower;
}

template <typename Number>
std::optional<Number> parse_whole(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

/// Starts as a number does: from_chars would also take "inf" and "nan", and takes no plus sign.
bool starts_a_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && (is_digit(text[0]) || text[0] == '.');
}

std::string_view without_plus(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  return text;
}

bool is_plain_letter(char letter) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
         std::string_view("_/.+-").find(letter) != std::string_view::npos;
}

/// Words that YAML 1.1 or 1.2 reads as a boolean or as null.
bool is_reserved(std::string_view text) {
  constexpr std::array<std::string_view, 9> reserved = {"true", "false", "yes", "no",  "on",
                                                        "off",  "y",     "n",   "null"};
  return contains(reserved, lower_case(text));
}

}  // namespace

std::optional<bool> parse_bool(std::string_view text) {
  const std::string word = lower_case(text);
  if (contains<3>({"true", "yes", "on"}, word)) return true;
  if (contains<3>({"false", "no", "off"}, word)) return false;
  return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  if (const auto whole = parse_whole<std::int64_t>(without_plus(text))) return whole;
  constexpr double largest_exact = 9007199254740992.0;  // 2^53: beyond it a double skips integers
  const std::optional<double> number = parse_number(text);
  if (!number || std::abs(*number) > largest_exact || *number != std::trunc(*number)) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*number);
}

std::string integer_limit(std::string_view text) {
  const std::optional<double> number = parse_number(text);
  if (!number || *number != std::trunc(*number) || parse_integer(text)) return "";
  constexpr auto largest = std::numeric_limits<std::int64_t>::max();
  return ", written in digits and at most " + std::to_string(largest);
}

std::optional<double> parse_number(std::string_view text) {
  text = without_plus(text);
  return starts_a_number(text) ? parse_whole<double>(text) : std::nullopt;
}

std::string number_text(double number) {
  if (!std::isfinite(number)) throw std::logic_error("a setting is not a finite number");
  std::array<char, 32> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  return {digits.data(), result.ptr};
}

std::string yaml_number(double number) {
  std::string text = number_text(number);
  if (text.find('.') == std::string::npos) text.insert(std::min(text.find('e'), text.size()), ".0");
  return text;
}

std::string yaml_word(std::string_view text) {
  if (!is_utf8(text)) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    return "!!binary \"" + YAML::EncodeBase64(bytes, text.size()) + "\"";
  }
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), is_plain_letter) &&
                     !is_digit(text[0]) &&
                     std::string_view(".+-").find(text[0]) == std::string_view::npos;
  return plain && !is_reserved(text) ? std::string(text) : yaml_quoted(text);
}

std::string yaml_quoted(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const auto [code, length] = first_character(text);
    if (code == '"' || code == '\\') quoted += '\\';
    quoted += is_control(code) ? escape_sequence(code) : std::string(text.substr(0, length));
    text.remove_prefix(length);
  }
  return quoted + '"';
}

std::string one_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    if (line.size() >= longest_shown) return line + "...";
    const std::size_t length = first_character(text).length;
    line += printable(text.substr(0, length));
    text.remove_prefix(length);
  }
  return line;
}

}  // namespace sparse_transformer
