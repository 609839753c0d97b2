#include "config/config_tree.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <system_error>
#include <utility>

#include "config/errors.h"
#include "config/scalars.h"
#include "config/text_file.h"
#include "config/values.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using Kind = ConfigNode::Kind;

constexpr std::size_t largest_file = std::size_t{1} << 20;

/// Names with a dot between each two.
bool is_dotted(const std::string& key) {
  return !key.empty() && key.front() != '.' && key.back() != '.' &&
         key.find("..") == std::string::npos;
}

template <typename Children>
auto* find_child(Children& children, std::string_view name) {
  const auto child = std::find_if(children.begin(), children.end(),
                                  [name](const ConfigNode& node) { return node.key == name; });
  return child == children.end() ? nullptr : &*child;
}

/// `prefix` says which `base:` asked for the file, and is empty for one of the command line.
std::string read_text(const std::string& path, const std::string& prefix) {
  try {
    const TextSource source = prefix.empty() ? TextSource::kFileOrStream : TextSource::kFile;
    return read_text_file(path, largest_file, source, "a YAML file of settings");
  } catch (const UserError& error) {
    throw UserError(prefix + error.what());
  }
}

/// Where relative paths of a file start. Those of a stream start at the current folder.
std::string folder_of(const std::string& path) {
  return is_stream(path) ? "" : fs::path(path).parent_path().string();
}

ConfigNode parse_map(const std::string& text, const YamlSource& source) {
  ConfigNode root = parse_yaml(text, source);
  if (root.kind == Kind::kNull) root.kind = Kind::kMap;
  if (root.kind != Kind::kMap) {
    throw UserError(root.origin + ": got " + shown(root) + ", expected settings as 'key: value'");
  }
  return root;
}

struct FilesRead {
  std::vector<std::string> open;  // canonical paths: a file, the one whose base it is, …
  std::vector<std::string>& all;
};

ConfigNode load_over_bases(const std::string& path, const std::string& prefix, FilesRead& read);

/// Takes `base` out of the map and gives the merged maps that it names.
ConfigNode load_bases(ConfigNode& map, FilesRead& read) {
  ConfigNode merged;
  merged.kind = Kind::kMap;
  const ConfigNode* base = map.find("base");
  if (base == nullptr) return merged;
  std::vector<std::string> paths;
  const std::string prefix = base->origin + ": base: ";
  if (!read_paths(*base, paths)) {
    throw UserError(prefix + "got " + shown(*base) + ", expected " + paths_in_words());
  }
  for (const std::string& path : paths) merge(merged, load_over_bases(path, prefix, read));
  std::erase_if(map.children, [](const ConfigNode& child) { return child.key == "base"; });
  return merged;
}

ConfigNode load_over_bases(const std::string& path, const std::string& prefix, FilesRead& read) {
  const std::string folder = folder_of(path);  // before a pipe is read and gone
  const std::string content = read_text(path, prefix);
  std::error_code failed;  // a pipe has no canonical path, and cannot be part of a circle
  const std::string identity = fs::canonical(path, failed).string();
  if (!failed && std::find(read.open.begin(), read.open.end(), identity) != read.open.end()) {
    throw UserError(prefix + path + ": a circle, this file is already being read");
  }
  read.open.push_back(identity);
  read.all.push_back(path);
  ConfigNode map = parse_map(content, {.name = path, .folder = folder});
  ConfigNode merged = load_bases(map, read);
  merge(merged, std::move(map));
  read.open.pop_back();
  return merged;
}

}  // namespace

ConfigNode* ConfigNode::find(std::string_view name) { return find_child(children, name); }

const ConfigNode* ConfigNode::find(std::string_view name) const {
  return find_child(children, name);
}

void merge(ConfigNode& below, ConfigNode above) {
  if (below.kind == Kind::kMap && above.kind == Kind::kNull) return;
  if (below.kind != Kind::kMap || above.kind != Kind::kMap) {
    below = std::move(above);
    return;
  }
  below.origin = above.origin;
  for (ConfigNode& child : above.children) {
    if (ConfigNode* same = below.find(child.key)) {
      merge(*same, std::move(child));
    } else {
      below.children.push_back(std::move(child));
    }
  }
}

ConfigNode load_file(const std::string& path, std::vector<std::string>& files) {
  FilesRead read{.open = {}, .all = files};
  return load_over_bases(path, "", read);
}

ConfigNode load_text(const std::string& text, const std::string& origin) {
  return parse_map(text, {.name = origin});
}

ConfigNode load_override(const std::string& assignment) {
  const std::string origin = "--set " + one_line(assignment);
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || !is_dotted(assignment.substr(0, equals))) {
    throw UserError(origin + ": expected KEY=VALUE, such as --set training.steps=1000");
  }
  std::string key = assignment.substr(0, equals);
  ConfigNode node = parse_yaml(assignment.substr(equals + 1), {.name = origin, .has_lines = false});
  while (!key.empty()) {
    const std::size_t dot = key.rfind('.');
    node.key = dot == std::string::npos ? key : key.substr(dot + 1);
    key.resize(dot == std::string::npos ? 0 : dot);
    ConfigNode map;
    map.kind = Kind::kMap;
    map.origin = origin;
    map.children.push_back(std::move(node));
    node = std::move(map);
  }
  return node;
}

std::string resolve_path(const std::string& folder, const std::string& path) {
  if (folder.empty()) return path;
  const fs::path joined = fs::path(folder) / path;
  // "a/../b" is "b" unless a is a link to somewhere else.
  std::error_code failed;
  const bool same = fs::weakly_canonical(joined, failed) ==
                    fs::weakly_canonical(joined.lexically_normal(), failed);
  return same ? joined.lexically_normal().string() : joined.string();
}

}  // namespace sparse_transformer
