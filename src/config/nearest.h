// "Did you mean": the known word nearest to a misspelt one.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sparse_transformer {

/// The word with the smallest edit distance (insert, delete, replace, swap of neighbours) to
/// `word`, if it is near enough to be a slip: a distance of at most max(1, length / 3), ignoring
/// case.
std::optional<std::string> nearest_word(std::string_view word, std::span<const std::string> known);

/// " (did you mean 'X'?)", or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace sparse_transformer
