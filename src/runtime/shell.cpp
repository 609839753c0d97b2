#include "runtime/shell.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>

#include "config/characters.h"

namespace sparse_transformer {
namespace {

bool is_plain(char letter) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
         std::string_view("_@%+=:,./-").find(letter) != std::string_view::npos;
}

/// A byte of printf's format in single quotes.
std::string format_byte(char byte) {
  if (byte == '%') return "%%";
  if (byte == '\\') return R"(\\)";
  const auto code = static_cast<std::uint8_t>(byte);
  if (code >= 0x20 && code < 0x7F && byte != '\'') return {byte};
  std::array<char, 5> octal{};
  std::snprintf(octal.data(), octal.size(), "\\%03o", static_cast<unsigned>(code));
  return octal.data();
}

}  // namespace

std::string shell_quoted(std::string_view word) {
  // $(…) would lose the line ends at the end of a word.
  const std::size_t ends = word.size() - (word.find_last_not_of('\n') + 1);
  if (ends > 0) {
    std::string quoted = shell_quoted(word.substr(0, word.size() - ends)) + "$'";
    for (std::size_t i = 0; i < ends; ++i) quoted += "\\n";
    return quoted + "'";
  }
  const bool is_shown = printable(word) == word;
  if (is_shown && !word.empty() && word[0] != '=' &&
      std::all_of(word.begin(), word.end(), is_plain)) {
    return std::string(word);
  }
  std::string quoted = is_shown ? "'" : "\"$(printf '";
  for (const char letter : word) {
    if (!is_shown) {
      quoted += format_byte(letter);
    } else if (letter == '\'') {
      quoted += R"('\'')";
    } else {
      quoted += letter;
    }
  }
  return quoted.append(is_shown ? "'" : "')\"");
}

std::string path_argument(const std::filesystem::path& path) {
  return path.native().starts_with('-') ? ("." / path).string() : path.string();
}

std::string shell_command(const std::vector<std::string>& arguments) {
  std::string command = "sparse-transformer";
  for (const std::string& argument : arguments) {
    command.append(" ").append(shell_quoted(argument));
  }
  return command;
}

}  // namespace sparse_transformer
