// The tree of values that YAML files and `--set` give, each with where it was given; not yet typed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sparse_transformer {

struct ConfigNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  std::string key;                   // its name in the map that holds it
  std::string text;                  // a scalar's text, without its quotes
  bool quoted = false;               // a scalar in quotes: text, even if it reads like a number
  std::vector<ConfigNode> children;  // of a list or map, in the order given
  std::string origin;                // "file:line" or "--set key=value"
  std::string folder;                // where relative paths start; empty: the current folder

  /// The child of that name, or nullptr.
  const ConfigNode* find(std::string_view name) const;
  ConfigNode* find(std::string_view name);
};

/// Where a YAML text comes from.
struct YamlSource {
  std::string name;         // a file's path, or "--set key=value"
  bool has_lines = true;    // whether origins name the line too
  std::string folder = {};  // where its relative paths start
};

/// Parses one document. Aliases are expanded; an empty text is a null node.
/// Throws UserError with the origin: not YAML, a key given twice in one map, a key that is no word,
/// more than one document, nested or expanded beyond reason.
ConfigNode parse_yaml(const std::string& text, const YamlSource& source);

/// Puts `above` over `below`: maps key by key, anything else as a whole. An empty section (null)
/// over a map changes nothing.
void merge(ConfigNode& below, ConfigNode above);

/// Returns the map in a file, merged over the maps that its `base:` names, and appends every file
/// read to `files`. Throws UserError.
ConfigNode load_file(const std::string& path, std::vector<std::string>& files);

/// The map in a text that is no file. Throws UserError.
ConfigNode load_text(const std::string& text, const std::string& origin);

/// "a.b=value" as the map {a: {b: value}}. Throws UserError.
ConfigNode load_override(const std::string& assignment);

/// A path given in a file of `folder`, as seen from the current folder.
std::string resolve_path(const std::string& folder, const std::string& path);

}  // namespace sparse_transformer
