#include "config/values.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "config/scalars.h"

namespace sparse_transformer {
namespace {

using Kind = ConfigNode::Kind;

bool is_plain(const ConfigNode& node) { return node.kind == Kind::kScalar && !node.quoted; }

template <typename Number>
bool contains(const Range<Number>& range, Number number) {
  return number >= range.low && number <= range.high && !(range.above && number == range.low);
}

std::string plain_number(std::int64_t number) { return std::to_string(number); }
std::string plain_number(double number) { return number_text(number); }

/// " of at least 1"; nothing where every number is allowed.
template <typename Number>
std::string bounds_in_words(const Range<Number>& range) {
  using Limits = std::numeric_limits<Number>;
  const std::string low = plain_number(range.low), high = plain_number(range.high);
  const bool has_low = range.low != Limits::lowest(), has_high = range.high != Limits::max();
  if (range.above) return " above " + low + (has_high ? " and at most " + high : "");
  if (has_low && has_high) return " from " + low + " to " + high;
  if (has_low) return " of at least " + low;
  return has_high ? " of at most " + high : "";
}

/// "a, b, c"
template <typename Entries, typename Text>
std::string joined(const Entries& entries, Text text) {
  std::string list;
  for (const auto& entry : entries) list += (list.empty() ? "" : ", ") + text(entry);
  return list;
}

/// "[a, b, c]"
template <typename Entries, typename Text>
std::string bracketed(char open, const Entries& entries, Text text, char close) {
  return std::string(1, open).append(joined(entries, text)) + close;
}

template <typename Value>
std::string flow_list(const std::vector<Value>& values) {
  return bracketed(
      '[', values, [](const Value& value) { return flow_text(value); }, ']');
}

/// Reads a value that may be absent.
template <typename Number>
bool read_optional(const ConfigNode& node, std::optional<Number>& value, Range<Number> range) {
  if (node.kind == Kind::kNull) {
    value.reset();
    return true;
  }
  Number number = 0;
  if (!read_value(node, number, range)) return false;
  value = number;
  return true;
}

}  // namespace

bool read_value(const ConfigNode& node, bool& value) {
  const auto parsed = is_plain(node) ? parse_bool(node.text) : std::nullopt;
  if (parsed) value = *parsed;
  return parsed.has_value();
}

bool read_value(const ConfigNode& node, std::int64_t& value, Range<std::int64_t> range) {
  const auto parsed = is_plain(node) ? parse_integer(node.text) : std::nullopt;
  if (!parsed || !contains(range, *parsed)) return false;
  value = *parsed;
  return true;
}

bool read_value(const ConfigNode& node, double& value, Range<double> range) {
  const auto parsed = is_plain(node) ? parse_number(node.text) : std::nullopt;
  if (!parsed || !contains(range, *parsed)) return false;
  value = *parsed;
  return true;
}

bool read_value(const ConfigNode& node, std::string& value) {
  if (node.kind != Kind::kScalar) return false;
  value = node.text;
  return true;
}

bool read_value(const ConfigNode& node, std::optional<std::int64_t>& value,
                Range<std::int64_t> range) {
  return read_optional(node, value, range);
}

bool read_value(const ConfigNode& node, std::optional<double>& value, Range<double> range) {
  return read_optional(node, value, range);
}

bool read_value(const ConfigNode& node, std::vector<std::int64_t>& value,
                Range<std::int64_t> range) {
  std::vector<std::int64_t> numbers(node.children.size());
  if (node.kind != Kind::kList) return false;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (!read_value(node.children[i], numbers[i], range)) return false;
  }
  value = std::move(numbers);
  return true;
}

bool read_value(const ConfigNode& node, std::vector<std::string>& value) {
  if (node.kind == Kind::kScalar) {
    value = {node.text};
    return true;
  }
  const auto is_word = [](const ConfigNode& entry) { return entry.kind == Kind::kScalar; };
  if (node.kind != Kind::kList) return false;
  if (!std::all_of(node.children.begin(), node.children.end(), is_word)) return false;
  value.clear();
  for (const ConfigNode& entry : node.children) value.push_back(entry.text);
  return true;
}

bool read_value(const ConfigNode& node, WordLists& value) {
  WordLists lists(node.children.size());
  if (node.kind != Kind::kList) return false;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (!read_value(node.children[i], lists[i])) return false;
  }
  value = std::move(lists);
  return true;
}

bool read_value(const ConfigNode& node, Texts& value) {
  const auto is_text = [](const ConfigNode& entry) { return entry.kind == Kind::kScalar; };
  if (node.kind != Kind::kMap) return false;
  if (!std::all_of(node.children.begin(), node.children.end(), is_text)) return false;
  value.clear();
  for (const ConfigNode& entry : node.children) value.emplace(entry.key, entry.text);
  return true;
}

bool read_value(const ConfigNode& node, NumberOrPaths& value, Range<double> range) {
  if (is_plain(node) && parse_number(node.text)) {
    double number = 0;
    if (!read_value(node, number, range)) return false;
    value = number;
    return true;
  }
  std::vector<std::string> paths;
  if (!read_paths(node, paths)) return false;
  value = std::move(paths);
  return true;
}

bool read_paths(const ConfigNode& node, std::vector<std::string>& value) {
  std::vector<std::string> paths;
  if (!read_value(node, paths)) return false;
  if (std::find(paths.begin(), paths.end(), "") != paths.end()) return false;
  for (std::string& path : paths) path = resolve_path(node.folder, path);
  value = std::move(paths);
  return true;
}

bool read_choice(const ConfigNode& node, std::size_t& index,
                 std::span<const std::string_view> words) {
  const auto word = std::find(words.begin(), words.end(), node.text);
  if (node.kind != Kind::kScalar || word == words.end()) return false;
  index = static_cast<std::size_t>(word - words.begin());
  return true;
}

std::string flow_text(bool value) { return value ? "true" : "false"; }
std::string flow_text(std::int64_t value) { return std::to_string(value); }
std::string flow_text(double value) { return yaml_number(value); }
std::string flow_text(const std::string& value) { return yaml_word(value); }
std::string flow_text(const std::vector<std::int64_t>& value) { return flow_list(value); }
std::string flow_text(const std::vector<std::string>& value) { return flow_list(value); }

std::string flow_text(const WordLists& value) {
  const auto entry = [](const std::vector<std::string>& words) {
    return words.size() == 1 ? flow_text(words[0]) : flow_text(words);
  };
  return bracketed('[', value, entry, ']');
}

std::string flow_text(const Texts& value) {
  const auto entry = [](const Texts::value_type& text) {
    return yaml_word(text.first) + ": " + yaml_word(text.second);
  };
  return bracketed('{', value, entry, '}');
}

std::string flow_text(const NumberOrPaths& value) {
  return std::visit([](const auto& held) { return flow_text(held); }, value);
}

std::string in_words(bool) { return "true or false"; }
std::string in_words(std::int64_t, Range<std::int64_t> range) {
  return "a whole number" + bounds_in_words(range);
}
std::string in_words(double, Range<double> range) { return "a number" + bounds_in_words(range); }
std::string in_words(const std::string&) { return "text"; }
std::string in_words(const std::optional<std::int64_t>&, Range<std::int64_t> range) {
  return in_words(std::int64_t{}, range);
}
std::string in_words(const std::optional<double>&, Range<double> range) {
  return in_words(double{}, range);
}
std::string in_words(const std::vector<std::int64_t>&, Range<std::int64_t> range) {
  return "a list, each entry " + in_words(std::int64_t{}, range);
}
std::string in_words(const std::vector<std::string>&) { return "a word or a list of words"; }
std::string in_words(const WordLists&) {
  return "a list whose entries are words or lists of words";
}
std::string in_words(const Texts&) { return "texts, each under a name"; }
std::string in_words(const NumberOrPaths&, Range<double> range) {
  return in_words(0.0, range) + ", or " + paths_in_words();
}
std::string paths_in_words() { return "a path or a list of paths"; }
std::string choice_in_words(std::span<const std::string_view> words) {
  return "one of " + joined(words, [](std::string_view word) { return std::string(word); });
}

std::string flow_text(const ConfigNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return node.quoted ? yaml_quoted(node.text) : node.text;
    case Kind::kList:
      return bracketed(
          '[', node.children, [](const ConfigNode& child) { return flow_text(child); }, ']');
    case Kind::kMap:
      break;
  }
  const auto entry = [](const ConfigNode& child) { return child.key + ": " + flow_text(child); };
  return bracketed('{', node.children, entry, '}');
}

std::string shown(const ConfigNode& node) { return one_line(flow_text(node)); }

}  // namespace sparse_transformer
