// YAML text → ConfigNode. We take yaml-cpp's events rather than its Node, which drops a key given
// twice silently, keeps no line for a key without a value, and expands aliases without limit.
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/binary.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <numeric>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "config/characters.h"
#include "config/config_tree.h"
#include "config/errors.h"
#include "config/scalars.h"

namespace sparse_transformer {
namespace {

using Kind = ConfigNode::Kind;

constexpr std::size_t deepest = 32;
constexpr std::size_t most_nodes = 20000;  // aliases of aliases grow exponentially
constexpr std::string_view kBinaryTag = "tag:yaml.org,2002:binary";
constexpr const char* kOpenQuote = ": a quote that is not closed";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

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

std::size_t place_of(std::string_view text, const YAML::Mark& mark) {
  return mark.is_null() ? 0 : std::min(static_cast<std::size_t>(mark.pos), text.size());
}

/// The line of `text` that the mark is in, and the part of it before the mark.
struct MarkedLine {
  std::string_view whole, before;
};
MarkedLine line_at(std::string_view text, const YAML::Mark& mark) {
  const std::size_t place = place_of(text, mark);
  const std::size_t begin = text.substr(0, place).rfind('\n') + 1;  // npos + 1 = 0
  const std::size_t end = std::min(text.find('\n', place), text.size());
  return {text.substr(begin, end - begin), text.substr(begin, place - begin)};
}

bool begins_with_tab(std::string_view line) {
  const std::size_t first = line.find_first_not_of(' ');
  return first != std::string_view::npos && line[first] == '\t';
}

/// Whether a scalar in quotes ends somewhere; yaml-cpp lets the end of the file end it too.
/// `scalar` begins with its anchor and tag, if it has them.
bool is_closed(std::string_view scalar) {
  while (scalar.starts_with('&') || scalar.starts_with('!')) {
    scalar.remove_prefix(std::min(scalar.find_first_of(" \t\r\n"), scalar.size()));
    scalar.remove_prefix(std::min(scalar.find_first_not_of(" \t\r\n"), scalar.size()));
  }
  if (!scalar.starts_with('"') && !scalar.starts_with('\'')) return true;
  const char quote = scalar[0];
  for (std::size_t i = 1; i < scalar.size(); ++i) {
    const bool is_escape = quote == '"' ? scalar[i] == '\\' : scalar.substr(i).starts_with("''");
    if (is_escape) {
      ++i;
    } else if (scalar[i] == quote) {
      return true;
    }
  }
  return false;
}

/// What an error of yaml-cpp means, as an addition to "not valid YAML".
std::string in_words(std::string_view error) {
  namespace message = YAML::ErrorMsg;
  struct Meaning {
    std::string_view error, words;  // what the error begins with
  };
  constexpr std::string_view kEscape = "an escape (\\) that YAML does not know";
  constexpr std::string_view kAlias = "'*' begins an alias; put a text that begins so in quotes";
  constexpr std::string_view kAnchor = "'&' begins an anchor; put a text that begins so in quotes";
  constexpr std::string_view kIndentation = "a line with a wrong indentation or without its ':'";
  const std::array meanings = {
      Meaning{message::MAP_VALUE, "a ':' where none may be; put a text that has one in quotes"},
      Meaning{message::MAP_KEY, "a '?' where none may be; put a text that begins so in quotes"},
      Meaning{message::BLOCK_ENTRY, "a '-' where no list may begin"},
      Meaning{message::FLOW_END, "a bracket that is closed, but was not opened"},
      Meaning{message::END_OF_MAP, kIndentation},
      Meaning{message::END_OF_SEQ, kIndentation},
      Meaning{message::UNKNOWN_TOKEN, "a value that begins with a sign; put it in quotes"},
      Meaning{message::INVALID_ESCAPE, kEscape},
      Meaning{message::INVALID_HEX, kEscape},
      Meaning{message::INVALID_UNICODE, kEscape},
      Meaning{message::UNKNOWN_ANCHOR, "an alias (*) of an anchor (&) that is not there"},
      Meaning{message::ALIAS_NOT_FOUND, kAlias},
      Meaning{message::CHAR_IN_ALIAS, kAlias},
      Meaning{message::ANCHOR_NOT_FOUND, kAnchor},
      Meaning{message::CHAR_IN_ANCHOR, kAnchor},
      Meaning{message::DOC_IN_SCALAR, "'---' or '...' within a text in quotes"}};
  for (const Meaning& meaning : meanings) {
    if (error.starts_with(meaning.error)) return ": " + std::string(meaning.words);
  }
  return "";
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& text, const YamlSource& source) : text_(text), source_(source) {}

  ConfigNode take_root() { return std::move(root_); }

  /// What yaml-cpp finds wrong, in words that name the usual causes.
  UserError error_of(const YAML::Exception& error) const {
    const std::string origin = origin_of(source_, error.mark);
    const std::string_view line = line_at(text_, error.mark).whole;
    if (!is_in_flow() && begins_with_tab(line)) return tab_error(origin);
    if (!after_quote(error.mark).empty()) return after_quote_error(error.mark);
    if (error.msg == YAML::ErrorMsg::EOF_IN_SCALAR) return UserError{origin + kOpenQuote};
    if (error.msg == YAML::ErrorMsg::END_OF_MAP_FLOW) return unclosed_error('{');
    if (error.msg == YAML::ErrorMsg::END_OF_SEQ_FLOW) return unclosed_error('[');
    return UserError{origin + ": not valid YAML" + in_words(error.msg) + strange_character(line)};
  }

  UserError second_document_error() const {
    if (!after_quote(document_).empty()) return after_quote_error(document_);
    return UserError{root_.origin + ": a second YAML document, expected one"};
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    document_ = mark;
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
    if (!is_closed(std::string_view(text_).substr(place_of(text_, mark)))) {
      throw UserError(node.origin + kOpenQuote);
    }
    node.text = tag == kBinaryTag ? bytes_of(value, node.origin) : value;
    // As a path it would end there and name another file.
    if (node.text.find('\0') != std::string::npos) {
      throw UserError(node.origin + ": got " + one_line(node.text) +
                      ", expected a text without a NUL character");
    }
    // "!" is yaml-cpp's mark of a scalar that is not plain.
    node.quoted = tag == "!" || tag == kBinaryTag;
    add(std::move(node), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(make_node(Kind::kList, mark), anchor, style);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(make_node(Kind::kMap, mark), anchor, style);
  }
  void OnMapEnd() override { close(); }

 private:
  /// A list or map whose end has not come yet; `key` waits for its value.
  struct Open {
    ConfigNode node;
    YAML::anchor_t anchor;
    bool is_flow;  // in brackets or braces, where indentation means nothing
    std::optional<ConfigNode> key;
  };

  /// The rest of the marked line, where it follows a quote that ends on that line.
  std::string_view after_quote(const YAML::Mark& mark) const {
    const auto [whole, before] = line_at(text_, mark);
    const std::size_t last = before.find_last_not_of(" \t");
    const bool follows =
        last != std::string_view::npos && (before[last] == '"' || before[last] == '\'');
    return follows ? whole.substr(before.size()) : "";
  }

  UserError after_quote_error(const YAML::Mark& mark) const {
    return UserError{origin_of(source_, mark) +
                     ": text after the end of a quote: " + one_line(after_quote(mark))};
  }

  /// Requires an open list or map.
  UserError unclosed_error(char bracket) const {
    return UserError{open_.back().node.origin + ": a '" + bracket + "' that is not closed"};
  }

  static UserError tab_error(const std::string& origin) {
    return UserError{origin + ": a tab in the indentation, expected spaces"};
  }

  static std::string bytes_of(const std::string& base64, const std::string& origin) {
    const std::vector<unsigned char> bytes = YAML::DecodeBase64(base64);
    if (bytes.empty() && !base64.empty()) throw UserError(origin + ": !!binary without base64");
    return {bytes.begin(), bytes.end()};
  }

  bool is_in_flow() const {
    return std::any_of(open_.begin(), open_.end(), [](const Open& outer) { return outer.is_flow; });
  }

  ConfigNode make_node(Kind kind, const YAML::Mark& mark) {
    spend(1, mark);
    ConfigNode node;
    node.kind = kind;
    node.origin = origin_of(source_, mark);
    const std::string_view before = line_at(text_, mark).before;
    const bool is_indented = before.find_first_not_of(" \t") == std::string_view::npos;
    if (is_indented && begins_with_tab(before) && !is_in_flow()) throw tab_error(node.origin);
    node.folder = source_.folder;
    return node;
  }

  void spend(std::size_t nodes, const YAML::Mark& mark) {
    nodes_ += nodes;
    if (nodes_ > most_nodes) {
      throw UserError(origin_of(source_, mark) + ": more values than settings can have");
    }
  }

  void open(ConfigNode node, YAML::anchor_t anchor, YAML::EmitterStyle::value style) {
    if (open_.size() == deepest) throw UserError(node.origin + ": nested too deep to be settings");
    open_.push_back({std::move(node), anchor, style == YAML::EmitterStyle::Flow, std::nullopt});
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
    if (key.text == "<<" && !key.quoted) {
      throw UserError(key.origin + ": " + dotted(key.text) +
                      ": merge keys are not read; write the settings out, or put them into a file "
                      "that 'base:' names");
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

  const std::string& text_;
  const YamlSource& source_;
  YAML::Mark document_;  // where it begins
  ConfigNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, ConfigNode> anchors_;
  std::size_t nodes_ = 0;
};

}  // namespace

ConfigNode parse_yaml(const std::string& given, const YamlSource& source) {
  if (!is_text(given)) throw UserError(source.name + ": not a text, expected YAML in UTF-8");
  // yaml-cpp counts places after the byte order mark, and names the end of a text as the place of
  // an open quote unless a line ends there.
  const std::string text = given.substr(given.starts_with(kByteOrderMark) ? 3 : 0) + "\n";
  TreeBuilder builder(text, source);
  builder.OnDocumentStart({});
  std::istringstream stream(text);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    ConfigNode root = builder.take_root();
    if (parser.HandleNextDocument(builder)) {
      throw builder.second_document_error();
    }
    return root;
  } catch (const YAML::Exception& error) {
    throw builder.error_of(error);
  }
}

}  // namespace sparse_transformer
