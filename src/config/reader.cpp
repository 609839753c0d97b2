// Reading the tree of values into the fields of a struct of settings.
#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "config/characters.h"
#include "config/config.h"
#include "config/config_tree.h"
#include "config/errors.h"
#include "config/nearest.h"
#include "config/scalars.h"
#include "config/values.h"

namespace sparse_transformer {
namespace {

using Kind = ConfigNode::Kind;
using std::string_view;

/// Reads every declared field. Problems are collected, since a misspelt section or key would
/// otherwise be hidden by the first bad value.
class Reader final : public FieldVisitor {
 public:
  explicit Reader(const ConfigNode& root) : root_(root), sections_{{&root, ""}} {}

  void field(string_view name, bool& value, string_view) override {
    read(name, in_words(value), [&](const ConfigNode& node) { return read_value(node, value); });
  }
  void field(string_view name, std::int64_t& value, string_view,
             Range<std::int64_t> range) override {
    read_number(name, value, range);
  }
  void field(string_view name, double& value, string_view, Range<double> range) override {
    read_number(name, value, range);
  }
  void field(string_view name, std::string& value, string_view) override {
    read(name, in_words(value), [&](const ConfigNode& node) { return read_value(node, value); });
  }
  void field(string_view name, std::optional<std::int64_t>& value, string_view,
             Range<std::int64_t> range) override {
    read_number(name, value, range);
  }
  void field(string_view name, std::optional<double>& value, string_view,
             Range<double> range) override {
    read_number(name, value, range);
  }
  void field(string_view name, std::vector<std::int64_t>& value, string_view,
             Range<std::int64_t> range) override {
    read_number(name, value, range);
  }
  void field(string_view name, std::vector<std::string>& value, string_view) override {
    read(name, in_words(value), [&](const ConfigNode& node) { return read_value(node, value); });
  }
  void field(string_view name, WordLists& value, string_view) override {
    const ConfigNode* given = find(name);
    const bool is_word = given != nullptr && given->kind == Kind::kScalar;
    const std::string hint = is_word ? "; write [" + shown(*given) + "]" : "";
    read(name, in_words(value) + hint,
         [&](const ConfigNode& node) { return read_value(node, value); });
  }
  void field(string_view name, Texts& value, string_view) override {
    read(name, in_words(value), [&](const ConfigNode& node) { return read_value(node, value); });
  }
  void field(string_view name, NumberOrPaths& value, string_view, Range<double> range) override {
    read_number(name, value, range);
  }
  void paths(string_view name, std::vector<std::string>& value, string_view) override {
    read(name, paths_in_words(), [&](const ConfigNode& node) { return read_paths(node, value); });
  }

  /// Throws UserError if anything was wrong.
  void finish() const {
    std::string unknown;
    collect_unknown(root_, "", unknown);
    if (!unknown.empty()) throw UserError(unknown);
    if (!problem_.empty()) throw UserError(problem_);
  }

 protected:
  void choose(string_view name, std::size_t& index, std::span<const string_view> words,
              string_view) override {
    read(name, choice_in_words(words),
         [&](const ConfigNode& node) { return read_choice(node, index, words); });
  }
  void enter(string_view name, string_view) override {
    const std::string key = sections_.back().prefix + std::string(name);
    known_.push_back({key, true});
    const ConfigNode* node = find(name);
    if (node != nullptr && node->kind != Kind::kMap && node->kind != Kind::kNull) {
      report(*node, key, "a section of settings");
    }
    sections_.push_back({node, key + "."});
  }
  void leave() override { sections_.pop_back(); }
  std::vector<std::string> enter_named(string_view name, std::size_t /*count*/,
                                       string_view meaning) override {
    enter(name, meaning);
    std::vector<std::string> names;
    const ConfigNode* node = sections_.back().node;
    if (node == nullptr || node->kind != Kind::kMap) return names;
    for (const ConfigNode& entry : node->children) names.push_back(entry.key);
    return names;
  }
  std::size_t choose_kind(std::span<const string_view> kinds, std::size_t held) override {
    const auto [node, prefix] = sections_.back();
    std::vector<std::size_t> given;
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
      if (find(kinds[kind]) != nullptr) given.push_back(kind);
      known_.push_back({prefix + std::string(kinds[kind]), false});
    }
    if (given.size() == 1) return given.front();
    if (node != nullptr) {
      report(*node, prefix.substr(0, prefix.size() - 1),
             (given.empty() ? "a section, " : "only ") + choice_in_words(kinds));
    }
    return held;
  }

 private:
  struct Section {
    const ConfigNode* node;  // nullptr: not given
    std::string prefix;      // of its fields' keys: "model.attention."
  };
  struct Known {
    std::string key;
    bool is_section;
  };

  const ConfigNode* find(string_view name) const {
    const ConfigNode* section = sections_.back().node;
    return section == nullptr ? nullptr : section->find(name);
  }

  template <typename Read>
  void read(string_view name, const std::string& expected, Read read_node) {
    const std::string key = sections_.back().prefix + std::string(name);
    known_.push_back({key, false});
    const ConfigNode* node = find(name);
    if (node != nullptr && !read_node(*node)) report(*node, key, expected);
  }

  template <typename Value, typename Number>
  void read_number(string_view name, Value& value, const Range<Number>& range) {
    std::string expected = in_words(value, range);
    const ConfigNode* given = find(name);
    const bool is_integer = std::is_same_v<Number, std::int64_t>;
    const bool is_bounded = range.high != std::numeric_limits<Number>::max();
    if (is_integer && !is_bounded && given != nullptr && !given->quoted) {
      expected += integer_limit(given->text);
    }
    read(name, expected, [&](const ConfigNode& node) { return read_value(node, value, range); });
  }

  void report(const ConfigNode& node, const std::string& key, const std::string& expected) {
    if (!problem_.empty()) return;
    problem_ = node.origin + ": " + key + ": got " + shown(node) + ", expected " + expected +
               strange_character(flow_text(node));
  }

  void collect_unknown(const ConfigNode& section, const std::string& prefix,
                       std::string& problems) const {
    if (section.kind != Kind::kMap) return;
    for (const ConfigNode& child : section.children) {
      const std::string key = prefix + child.key;
      const Known* known = find_known(prefix, child.key);
      if (known == nullptr) {
        problems += (problems.empty() ? "" : "; ") + child.origin + ": " + one_line(key) +
                    ": unknown setting" + strange_character(child.key) +
                    suggestion(prefix, child.key);
      } else if (known->is_section) {
        collect_unknown(child, key + ".", problems);
      }
    }
  }

  /// A name with a dot is never known, although "a" + "." + "b.c" looks like a setting's key.
  const Known* find_known(const std::string& prefix, const std::string& name) const {
    if (name.find('.') != std::string::npos) return nullptr;
    // The last declaration counts: a section that is chosen from several is declared among them
    // first.
    const auto known = std::find_if(known_.rbegin(), known_.rend(), [&](const Known& candidate) {
      return candidate.key == prefix + name;
    });
    return known == known_.rend() ? nullptr : &*known;
  }

  /// The nearest name in the same section, or else the setting of just this name in another
  /// section.
  std::string suggestion(const std::string& prefix, const std::string& name) const {
    if (const std::size_t dot = name.find('.'); dot != std::string::npos) {
      return " (in a file, '" + one_line(name.substr(dot + 1)) + ":' stands below '" +
             one_line(name.substr(0, dot)) + ":')";
    }
    std::vector<std::string> siblings, elsewhere;
    for (const Known& known : known_) {
      const std::size_t start = known.key.rfind('.') + 1;  // npos + 1 = 0
      const std::string last = known.key.substr(start);
      if (known.key.substr(0, start) == prefix) siblings.push_back(last);
      if (last == name) elsewhere.push_back(known.key);
    }
    if (const auto near = nearest_word(name, siblings)) {
      return " (did you mean '" + prefix + *near + "'?)";
    }
    return elsewhere.empty() ? "" : " (did you mean '" + elsewhere.front() + "'?)";
  }

  const ConfigNode& root_;
  std::vector<Section> sections_;
  std::vector<Known> known_;  // in the order of declaration
  std::string problem_;       // the first bad value
};

}  // namespace

void Config::read_fields(const std::function<void(FieldVisitor&)>& describe) const {
  Reader reader(*root_);
  describe(reader);
  reader.finish();
}

}  // namespace sparse_transformer
