// The words that stand for the values of an enum class, in their order: in files, options and
// messages.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sparse_transformer {

/// Throws std::out_of_range for a value that has none.
template <typename Enum, std::size_t size>
std::string word_of(const std::array<std::string_view, size>& words, Enum value) {
  return std::string(words.at(static_cast<std::size_t>(value)));
}

/// The value that a word stands for, or nothing.
template <typename Enum, std::size_t size>
std::optional<Enum> meaning_of(const std::array<std::string_view, size>& words,
                               std::string_view word) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return std::nullopt;
  return static_cast<Enum>(found - words.begin());
}

}  // namespace sparse_transformer
