#include "config/config.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "config/config_tree.h"

namespace sparse_transformer {
namespace {

void merge_overrides(ConfigNode& root, const std::vector<std::string>& overrides) {
  for (const std::string& assignment : overrides) merge(root, load_override(assignment));
}

/// The nodes of a dotted key, one for each of its names; the last is nullptr where it is not given.
std::vector<const ConfigNode*> path_to(const ConfigNode& root, std::string_view key) {
  std::vector<const ConfigNode*> path;
  const ConfigNode* node = &root;
  while (node != nullptr && !key.empty()) {
    const std::size_t end = std::min(key.find('.'), key.size());
    node = node->find(key.substr(0, end));
    path.push_back(node);
    key.remove_prefix(std::min(end + 1, key.size()));
  }
  return path;
}

}  // namespace

Config::Config(const std::vector<std::string>& files, const std::vector<std::string>& overrides)
    : root_(std::make_unique<ConfigNode>()) {
  root_->kind = ConfigNode::Kind::kMap;
  for (const std::string& path : files) merge(*root_, load_file(path, files_));
  merge_overrides(*root_, overrides);
}

Config Config::from_text(const std::string& text, const std::string& origin,
                         const std::vector<std::string>& overrides) {
  auto root = std::make_unique<ConfigNode>(load_text(text, origin));
  merge_overrides(*root, overrides);
  return Config(std::move(root));
}

Config::Config(std::unique_ptr<ConfigNode> root) : root_(std::move(root)) {}
Config::Config(Config&&) noexcept = default;
Config& Config::operator=(Config&&) noexcept = default;
Config::~Config() = default;

std::string Config::origin(std::string_view key) const {
  std::string origin;
  for (const ConfigNode* node : path_to(*root_, key)) {
    if (node != nullptr) origin = node->origin;
  }
  return origin;
}

bool Config::gives(std::string_view key) const {
  const auto path = path_to(*root_, key);
  return !path.empty() && path.back() != nullptr;
}

}  // namespace sparse_transformer
