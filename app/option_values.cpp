#include "app/option_values.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "config/errors.h"
#include "config/nearest.h"
#include "config/scalars.h"

namespace sparse_transformer {

namespace {

// "-n,--count" → "--count"
std::string long_name(const std::string& names) { return names.substr(names.find("--")); }

std::string default_text(const std::string& value) { return " (default: " + value + ")"; }

[[noreturn]] void refuse(const std::string& names, const std::string& given,
                         const std::string& expected) {
  throw UserError(long_name(names) + ": got '" + one_line(given) + "', expected " + expected);
}

// Returns " (default: 1,2)", and "" for an empty list.
std::string default_text(const std::vector<std::int64_t>& values) {
  std::string text;
  for (const std::int64_t value : values) text += (text.empty() ? "" : ",") + std::to_string(value);
  return text.empty() ? "" : default_text(text);
}

std::int64_t whole_number(const std::string& names, const std::string& text) {
  const std::optional<std::int64_t> number = parse_integer(text);
  if (!number) refuse(names, text, "a whole number" + integer_limit(text));
  return *number;
}

void read_into(std::vector<std::int64_t>& values, const std::string& names,
               const std::vector<std::string>& texts) {
  values.clear();
  for (const std::string& text : texts) values.push_back(whole_number(names, text));
}

// "train, valid or test"
std::string alternatives(std::span<const std::string_view> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::size_t index_of(const std::string& names, const std::string& word,
                     std::span<const std::string_view> words) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) {
    const std::vector<std::string> known(words.begin(), words.end());
    refuse(names, word, alternatives(words) + did_you_mean(word, known));
  }
  return static_cast<std::size_t>(found - words.begin());
}

using ReadText = std::function<void(const std::string&)>;
using ReadTexts = std::function<void(const std::vector<std::string>&)>;

CLI::Option* add_text(CLI::App& app, const std::string& names, const ReadText& read,
                      const std::string& meaning) {
  return app.add_option_function<std::string>(names, read, meaning);
}

/// One that is given several values between commas.
CLI::Option* add_texts(CLI::App& app, const std::string& names, const ReadTexts& read,
                       const std::string& meaning) {
  // Without extra arguments, what follows is not swallowed.
  return app.add_option_function<std::vector<std::string>>(names, read, meaning)
      ->delimiter(',')
      ->allow_extra_args(false);
}

}  // namespace

CLI::Option* add_number(CLI::App& app, const std::string& names, std::int64_t& value,
                        const std::string& meaning) {
  return add_text(
      app, names, [&value, names](const std::string& text) { value = whole_number(names, text); },
      meaning + default_text(std::to_string(value)));
}

CLI::Option* add_number(CLI::App& app, const std::string& names, double& value,
                        const std::string& meaning) {
  const ReadText read = [&value, names](const std::string& text) {
    const std::optional<double> number = parse_number(text);
    if (!number) refuse(names, text, "a number");
    value = *number;
  };
  return add_text(app, names, read, meaning + default_text(number_text(value)));
}

CLI::Option* add_number(CLI::App& app, const std::string& names, std::optional<std::int64_t>& value,
                        const std::string& meaning) {
  return add_text(
      app, names, [&value, names](const std::string& text) { value = whole_number(names, text); },
      meaning);
}

CLI::Option* add_numbers(CLI::App& app, const std::string& names, std::vector<std::int64_t>& values,
                         const std::string& meaning) {
  return add_texts(
      app, names, [&values, names](const auto& texts) { read_into(values, names, texts); },
      meaning + default_text(values));
}

CLI::Option* add_numbers_or_word(CLI::App& app, const std::string& names,
                                 std::vector<std::int64_t>& values, const std::string& word,
                                 bool& word_given, const std::string& meaning) {
  const auto read = [&values, &word_given, names, word](const std::vector<std::string>& texts) {
    word_given = texts == std::vector<std::string>{word};
    if (!word_given) read_into(values, names, texts);
  };
  return add_texts(app, names, read, meaning + default_text(values));
}

CLI::Option* add_words(CLI::App& app, const std::string& names,
                       std::span<const std::string_view> words, std::size_t default_word,
                       const std::string& meaning, std::function<void(std::size_t)> choose) {
  const ReadText read = [names, words, choose = std::move(choose)](const std::string& text) {
    choose(index_of(names, text, words));
  };
  return add_text(
      app, names, read,
      meaning + ": " + alternatives(words) + default_text(std::string(words[default_word])));
}

CLI::Option* add_word_list(CLI::App& app, const std::string& names,
                           std::span<const std::string_view> words, const std::string& meaning,
                           std::function<void(const std::vector<std::size_t>&)> choose) {
  const auto read = [names, words,
                     choose = std::move(choose)](const std::vector<std::string>& texts) {
    std::vector<std::size_t> indices;
    for (const std::string& text : texts) indices.push_back(index_of(names, text, words));
    choose(indices);
  };
  return add_texts(app, names, read, meaning + ": " + alternatives(words) + default_text("all"));
}

}  // namespace sparse_transformer
