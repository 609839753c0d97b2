// The types that a setting can have: from a node of the tree, to YAML's flow style, and in words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config_tree.h"
#include "config/fields.h"

namespace sparse_transformer {

/// Reads the node; false, with the value untouched, if it is not what `in_words` says.
bool read_value(const ConfigNode& node, bool& value);
bool read_value(const ConfigNode& node, std::int64_t& value, Range<std::int64_t> range);
bool read_value(const ConfigNode& node, double& value, Range<double> range);
bool read_value(const ConfigNode& node, std::string& value);
bool read_value(const ConfigNode& node, std::optional<std::int64_t>& value,
                Range<std::int64_t> range);
bool read_value(const ConfigNode& node, std::optional<double>& value, Range<double> range);
bool read_value(const ConfigNode& node, std::vector<std::int64_t>& value,
                Range<std::int64_t> range);
bool read_value(const ConfigNode& node, std::vector<std::string>& value);
bool read_value(const ConfigNode& node, WordLists& value);
bool read_value(const ConfigNode& node, Texts& value);
bool read_value(const ConfigNode& node, NumberOrPaths& value, Range<double> range);
bool read_paths(const ConfigNode& node, std::vector<std::string>& value);
bool read_choice(const ConfigNode& node, std::size_t& index,
                 std::span<const std::string_view> words);

/// The value in YAML's flow style, which reads back as the same value.
std::string flow_text(bool value);
std::string flow_text(std::int64_t value);
std::string flow_text(double value);
std::string flow_text(const std::string& value);
std::string flow_text(const std::vector<std::int64_t>& value);
std::string flow_text(const std::vector<std::string>& value);
std::string flow_text(const WordLists& value);
std::string flow_text(const Texts& value);
std::string flow_text(const NumberOrPaths& value);

/// What is allowed: "a whole number of at least 1". The argument only chooses the type.
std::string in_words(bool);
std::string in_words(std::int64_t, Range<std::int64_t> range);
std::string in_words(double, Range<double> range);
std::string in_words(const std::string&);
std::string in_words(const std::optional<std::int64_t>&, Range<std::int64_t> range);
std::string in_words(const std::optional<double>&, Range<double> range);
std::string in_words(const std::vector<std::int64_t>&, Range<std::int64_t> range);
std::string in_words(const std::vector<std::string>&);
std::string in_words(const WordLists&);
std::string in_words(const Texts&);
std::string in_words(const NumberOrPaths&, Range<double> range);
std::string paths_in_words();
std::string choice_in_words(std::span<const std::string_view> words);

/// What the user gave, in flow style; and as a message shows it: in one line, cut where long.
std::string flow_text(const ConfigNode& node);
std::string shown(const ConfigNode& node);

}  // namespace sparse_transformer
