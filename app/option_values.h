// Options whose values are numbers or words. A wrong value is a UserError that names the option,
// what was given, and what would be right.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace sparse_transformer {

/// An option for a number. `names` as CLI11 has them ("-n,--count"); the help shows the value it
/// has now as the default.
CLI::Option* add_number(CLI::App& app, const std::string& names, std::int64_t& value,
                        const std::string& meaning);
CLI::Option* add_number(CLI::App& app, const std::string& names, double& value,
                        const std::string& meaning);
/// One that has no default.
CLI::Option* add_number(CLI::App& app, const std::string& names, std::optional<std::int64_t>& value,
                        const std::string& meaning);
/// One or several, between commas; none by default where `values` is empty.
CLI::Option* add_numbers(CLI::App& app, const std::string& names, std::vector<std::int64_t>& values,
                         const std::string& meaning);

/// The same, or a word in the place of the numbers, which sets `word_given`.
CLI::Option* add_numbers_or_word(CLI::App& app, const std::string& names,
                                 std::vector<std::int64_t>& values, const std::string& word,
                                 bool& word_given, const std::string& meaning);

/// An option for one of `words`. `choose` is told the index of the one that was given.
CLI::Option* add_words(CLI::App& app, const std::string& names,
                       std::span<const std::string_view> words, std::size_t default_word,
                       const std::string& meaning, std::function<void(std::size_t)> choose);

/// The same for an enum class whose values are 0, 1, 2 … in the order of `words`.
template <typename Enum, std::size_t size>
CLI::Option* add_choice(CLI::App& app, const std::string& names, Enum& value,
                        const std::array<std::string_view, size>& words,
                        const std::string& meaning) {
  return add_words(app, names, words, static_cast<std::size_t>(value), meaning,
                   [&value](std::size_t index) { value = static_cast<Enum>(index); });
}

/// One or several of `words`, between commas. `choose` is told the indices of those given.
CLI::Option* add_word_list(CLI::App& app, const std::string& names,
                           std::span<const std::string_view> words, const std::string& meaning,
                           std::function<void(const std::vector<std::size_t>&)> choose);

/// The same for an enum class, as add_choice().
template <typename Enum, std::size_t size>
CLI::Option* add_choices(CLI::App& app, const std::string& names, std::vector<Enum>& values,
                         const std::array<std::string_view, size>& words,
                         const std::string& meaning) {
  return add_word_list(app, names, words, meaning,
                       [&values](const std::vector<std::size_t>& indices) {
                         values.clear();
                         for (const std::size_t i : indices) values.push_back(static_cast<Enum>(i));
                       });
}

}  // namespace sparse_transformer
