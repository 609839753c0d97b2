// YAML text → ConfigNode. We take yaml-cpp's events rather than its Node, which drops a key given
// twice silently, keeps no line for a key without a value, and expands aliases without limit.
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <numeric>
#include <optional>
#include <sstream>
#include <utility>

#include "config/config_tree.h"
#include "config/errors.h"
#include "config/scalars.h"

namespace sparse_transformer {
namespace {

using Kind = ConfigNode::Kind;

constexpr std::size_t deepest = 32;
constexpr std::size_t most_nodes = 20000;  // aliases of aliases grow exponentially

std::string origin_of(const YamlSource& source, const YAML::Mark& mark) {
  if (!source.has_lines || mark.is_null()) return source.name;
  return source.name + ":" + std::to_string(mark.line + 1);
}

std::size_t count_nodes(const ConfigNode& node) {
  return std::accumulate(
      node.children.begin(), node.children.end(), std::size_t{1},
      [](std::size_t sum, const ConfigNode& child) { return sum + count_nodes(child); });
}

/// Whether every byte may stand in a YAML text. (yaml-cpp takes byte 4 for the end of the file.)
bool is_text(const std::string& content) {
  return std::none_of(content.begin(), content.end(), [](char letter) {
    return static_cast<unsigned char>(letter) < 0x20 && letter != '\n' && letter != '\r' &&
           letter != '\t';
  });
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlSource& source) : source_(source) {}

  ConfigNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    root_ = make_node(Kind::kNull, mark);
    anchors_.clear();
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make_node(Kind::kNull, mark), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      throw UserError(origin_of(source_, mark) + ": an alias inside the value that it names");
    }
    ConfigNode copy = found->second;
    spend(count_nodes(copy), mark);
    copy.origin = origin_of(source_, mark);
    add(std::move(copy), YAML::NullAnchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    ConfigNode node = make_node(Kind::kScalar, mark);
    node.text = value;
    node.quoted = tag == "!";  // yaml-cpp's mark of a scalar that is not plain
    add(std::move(node), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(make_node(Kind::kList, mark), anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(make_node(Kind::kMap, mark), anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  /// A list or map whose end has not come yet; `key` waits for its value.
  struct Open {
    ConfigNode node;
    YAML::anchor_t anchor;
    std::optional<ConfigNode> key;
  };

  ConfigNode make_node(Kind kind, const YAML::Mark& mark) {
    spend(1, mark);
    ConfigNode node;
    node.kind = kind;
    node.origin = origin_of(source_, mark);
    node.folder = source_.folder;
    return node;
  }

  void spend(std::size_t nodes, const YAML::Mark& mark) {
    nodes_ += nodes;
    if (nodes_ > most_nodes) {
      throw UserError(origin_of(source_, mark) + ": more values than settings can have");
    }
  }

  void open(ConfigNode node, YAML::anchor_t anchor) {
    if (open_.size() == deepest) throw UserError(node.origin + ": nested too deep to be settings");
    open_.push_back({std::move(node), anchor, std::nullopt});
  }

  void close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    add(std::move(closed.node), closed.anchor);
  }

  void add(ConfigNode node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (open_.back().node.kind == Kind::kList) {
      open_.back().node.children.push_back(std::move(node));
    } else if (!open_.back().key) {
      open_.back().key = checked_key(std::move(node));
    } else {
      add_entry(open_.back(), std::move(node));
    }
  }

  ConfigNode checked_key(ConfigNode key) const {
    if (key.kind != Kind::kScalar) {
      throw UserError(key.origin + ": the name of a setting is missing");
    }
    if (const ConfigNode* first = open_.back().node.find(key.text)) {
      throw UserError(key.origin + ": " + dotted(key.text) + ": given twice (first at " +
                      first->origin + ")");
    }
    return key;
  }

  /// The value's origin is its key's: a map begins, and a missing value is noticed, lines later.
  static void add_entry(Open& map, ConfigNode value) {
    value.key = map.key->text;
    value.origin = map.key->origin;
    map.key.reset();
    map.node.children.push_back(std::move(value));
  }

  std::string dotted(const std::string& name) const {
    std::string path;
    for (const Open& outer : open_) {
      if (outer.key) path += outer.key->text + ".";
    }
    return one_line(path + name);
  }

  const YamlSource& source_;
  ConfigNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, ConfigNode> anchors_;
  std::size_t nodes_ = 0;
};

}  // namespace

ConfigNode parse_yaml(const std::string& text, const YamlSource& source) {
  if (!is_text(text)) throw UserError(source.name + ": not a text, expected YAML in UTF-8");
  TreeBuilder builder(source);
  builder.OnDocumentStart({});
  std::istringstream stream(text);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    ConfigNode root = builder.take_root();
    if (parser.HandleNextDocument(builder)) {
      throw UserError(builder.take_root().origin + ": a second YAML document, expected one");
    }
    return root;
  } catch (const YAML::Exception& error) {
    throw UserError(origin_of(source, error.mark) + ": not valid YAML: " + one_line(error.msg));
  }
}

}  // namespace sparse_transformer
