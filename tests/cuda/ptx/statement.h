// The text of a PTX instruction, taken apart.
#pragma once

#include <string>
#include <vector>

namespace ptx {

/// `@!%p1 add.s32 %r1, %r2, 4;`
struct Statement {
  std::string guard;               // "%p1", or empty
  bool guard_negated = false;      // whether it runs where the guard is false
  std::vector<std::string> words;  // of the opcode: "add", "s32"
  std::vector<std::string> operands;
  std::string text;

  std::string opcode() const;
  /// The opcode without its last `count` words.
  std::string opcode_without(std::size_t count) const;
};

/// `text` has no semicolon.
Statement parse_statement(const std::string& text);

std::string trimmed(const std::string& text);

/// Splits at `separator`, but not within brackets of any kind. Parts are trimmed; there are no
/// empty ones.
std::vector<std::string> split(const std::string& text, char separator);

}  // namespace ptx
