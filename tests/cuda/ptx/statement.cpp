#include "tests/cuda/ptx/statement.h"

namespace ptx {
namespace {

constexpr const char* kSpace = " \t\r\n";

}  // namespace

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  const auto finish = [&] {
    part = trimmed(part);
    if (!part.empty()) parts.push_back(part);
    part.clear();
  };
  for (const char c : text) {
    if (c == '{' || c == '[' || c == '(') ++depth;
    if (c == '}' || c == ']' || c == ')') --depth;
    if (c == separator && depth == 0) {
      finish();
    } else {
      part += c;
    }
  }
  finish();
  return parts;
}

Statement parse_statement(const std::string& text) {
  Statement statement;
  statement.text = trimmed(text);
  std::string rest = statement.text;
  const auto next_word = [&rest] {
    const std::size_t end = rest.find_first_of(kSpace);
    const std::string word = rest.substr(0, end);
    rest = end == std::string::npos ? "" : trimmed(rest.substr(end));
    return word;
  };
  if (rest.starts_with('@')) {
    statement.guard = next_word().substr(1);
    statement.guard_negated = statement.guard.starts_with('!');
    if (statement.guard_negated) statement.guard.erase(0, 1);
  }
  statement.words = split(next_word(), '.');
  statement.operands = split(rest, ',');
  return statement;
}

std::string Statement::opcode() const { return opcode_without(0); }

std::string Statement::opcode_without(std::size_t count) const {
  std::string opcode;
  for (std::size_t i = 0; i + count < words.size(); ++i) {
    opcode += (i == 0 ? "" : ".") + words[i];
  }
  return opcode;
}

}  // namespace ptx
