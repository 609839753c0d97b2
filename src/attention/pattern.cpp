#include "attention/pattern.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include "config/errors.h"
#include "config/nearest.h"

namespace sparse_transformer {
namespace {

constexpr const char* kLayersKey = "model.attention.layers";

struct NamedPattern {
  std::string name;
  std::function<Piece(const AttentionSettings&)> piece;
};

Shared summary_piece(const AttentionSettings& settings) {
  const std::int64_t stride = *settings.stride;
  if (stride % settings.summary != 0) {
    throw SettingError("model.attention.summary", std::to_string(settings.summary) +
                                                      " columns do not divide the stride of " +
                                                      std::to_string(stride));
  }
  const std::int64_t most = stride / settings.summary;
  const std::int64_t blocks = settings.summary_blocks.value_or(most);
  if (blocks > most) {
    throw SettingError("model.attention.summary_blocks",
                       std::to_string(blocks) + " sub-blocks of " +
                           std::to_string(settings.summary) + " columns do not fit into a row of " +
                           std::to_string(stride));
  }
  return {.stride = stride, .width = settings.summary, .blocks = blocks};
}

/// Every pattern by name. A union takes its parts in this order, and a part gives up the pairs that
/// earlier parts have.
const std::vector<NamedPattern>& patterns() {
  static const std::vector<NamedPattern> list = {
      {"dense", [](const AttentionSettings&) { return Band{}; }},
      {"local", [](const AttentionSettings& s) { return Band{.high = *s.stride - 1}; }},
      {"row",
       [](const AttentionSettings& s) {
         return Band{.view = {*s.stride, 1}};
       }},
      {"previous",
       [](const AttentionSettings& s) {
         return Band{.view = {*s.stride, 1}, .shift = 1, .low = -kUnbounded};
       }},
      {"column",
       [](const AttentionSettings& s) {
         return Band{.view = {kUnbounded, *s.stride}};
       }},
      {"summary", summary_piece},
  };
  return list;
}

std::vector<std::string> split_union(const std::string& text) {
  std::vector<std::string> names;
  std::size_t begin = 0;
  while (true) {
    const std::size_t plus = text.find('+', begin);
    names.push_back(text.substr(begin, plus - begin));
    if (plus == std::string::npos) return names;
    begin = plus + 1;
  }
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : "+") + name;
  return text;
}

/// An entry of `layers` as the entries it stands for.
WordLists expand_entry(const std::vector<std::string>& entry) {
  if (entry == std::vector<std::string>{"strided"}) return {{"local"}, {"column"}};
  std::vector<std::string> groups;
  for (const std::string& group : entry) groups.push_back(group == "fixed" ? "row+summary" : group);
  return {groups};
}

WordLists expand_entries(const WordLists& entries) {
  WordLists result;
  for (const auto& entry : entries) {
    const WordLists expansion = expand_entry(entry);
    result.insert(result.end(), expansion.begin(), expansion.end());
  }
  return result;
}

void check_known(const std::vector<std::string>& names) {
  std::vector<std::string> known = pattern_names();
  known.insert(known.end(), {"strided", "fixed"});
  for (const std::string& name : names) {
    if (name == "strided") {
      throw SettingError(kLayersKey,
                         "strided alternates local and column by layer and stands alone; for both "
                         "in one head write local+column");
    }
    if (std::find(known.begin(), known.end(), name) == known.end() || name == "fixed") {
      const std::string hint = name == "fixed" ? " in a union; write row+summary" : "";
      throw SettingError(kLayersKey, "unknown pattern '" + name + "'" + hint +
                                         (hint.empty() ? did_you_mean(name, known) : ""));
    }
  }
}

/// What of `piece` none of `taken` has.
std::vector<Piece> subtract(const Piece& piece, const std::vector<Piece>& taken,
                            const std::string& union_name) {
  std::vector<Piece> rest = {piece};
  for (const Piece& earlier : taken) {
    std::vector<Piece> still;
    for (const Piece& part : rest) {
      const auto remaining = remainder(part, earlier);
      if (!remaining) {
        throw SettingError(kLayersKey,
                           "the parts of '" + union_name +
                               "' overlap in a way that cannot be computed without counting pairs "
                               "twice; give the patterns to different heads or layers");
      }
      still.insert(still.end(), remaining->begin(), remaining->end());
    }
    rest = std::move(still);
  }
  return rest;
}

HeadGroup make_group(const std::string& text, const AttentionSettings& settings) {
  HeadGroup group;
  group.name = text;
  group.pieces = union_pieces(split_union(text), settings);
  return group;
}

LayerPattern make_layer(const std::vector<std::string>& entry, const AttentionSettings& settings,
                        std::int64_t heads) {
  const auto groups = static_cast<std::int64_t>(entry.size());
  if (groups == 0 || heads % groups != 0) {
    throw SettingError("model.heads", std::to_string(heads) + " heads do not divide into the " +
                                          std::to_string(groups) + " head groups of a layer");
  }
  LayerPattern layer;
  layer.stride = *settings.stride;
  for (std::int64_t g = 0; g < groups; ++g) {
    HeadGroup group = make_group(entry[static_cast<std::size_t>(g)], settings);
    group.first_head = g * (heads / groups);
    group.heads = heads / groups;
    layer.groups.push_back(std::move(group));
  }
  return layer;
}

/// Heads of a group after which the keys repeat.
std::int64_t distinct_heads(const HeadGroup& group) {
  for (const Piece& piece : group.pieces) {
    if (const auto* shared = std::get_if<Shared>(&piece))
      return std::min(shared->blocks, group.heads);
  }
  return 1;
}

void mark_keys(const HeadGroup& group, std::int64_t t, std::vector<bool>& marks) {
  for (std::int64_t head = 0; head < distinct_heads(group); ++head) {
    for (const Piece& piece : group.pieces) {
      const KeyGrid grid = keys(piece, t, group.first_head + head);
      for (std::int64_t a = 0; a < grid.rows; ++a) {
        for (std::int64_t b = 0; b < grid.width; ++b) {
          marks[static_cast<std::size_t>(grid.first + a * grid.step + b)] = true;
        }
      }
    }
  }
}

}  // namespace

void AttentionSettings::describe(FieldVisitor& visit) {
  visit.field("stride", stride,
              "l, positions a row; default: a picture's row, else the power of two nearest to √n",
              at_least<std::int64_t>(1));
  visit.field("layers", layers,
              "what each layer's heads attend to, repeated over the depth: dense, local, row, "
              "column, previous, summary, a union such as row+summary, a list with one pattern a "
              "head group, strided (local and column in turn) or fixed (row+summary)");
  visit.field("last", last, "patterns of the final layers, instead of the cycle");
  visit.field("summary", summary, "c, columns of every earlier row that summary attends to",
              at_least<std::int64_t>(1));
  visit.field("summary_blocks", summary_blocks,
              "sub-blocks of c columns that the heads rotate over; default l / c, 1 = all heads "
              "share the last c columns",
              at_least<std::int64_t>(1));
}

std::int64_t LayerPattern::heads() const { return groups.back().first_head + groups.back().heads; }

const HeadGroup& LayerPattern::group_of(std::int64_t head) const {
  return groups[static_cast<std::size_t>(head / groups.front().heads)];
}

std::string LayerPattern::name() const {
  if (groups.size() == 1) return groups.front().name;
  std::string text = "[";
  for (const HeadGroup& group : groups) text += (text.size() > 1 ? ", " : "") + group.name;
  return text + "]";
}

const std::vector<std::string>& pattern_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const NamedPattern& pattern : patterns()) list.push_back(pattern.name);
    return list;
  }();
  return names;
}

std::vector<Piece> union_pieces(const std::vector<std::string>& names,
                                const AttentionSettings& settings) {
  check_known(names);
  std::vector<Piece> pieces;
  std::vector<Piece> taken;  // the same, with windows taken apart by rows
  for (const NamedPattern& pattern : patterns()) {
    if (std::find(names.begin(), names.end(), pattern.name) == names.end()) continue;
    const Piece whole = pattern.piece(settings);
    const std::vector<Piece> parts = by_rows(whole, *settings.stride);
    std::vector<Piece> rest;
    for (const Piece& part : parts) {
      const std::vector<Piece> untaken = subtract(part, taken, joined(names));
      rest.insert(rest.end(), untaken.begin(), untaken.end());
    }
    taken.insert(taken.end(), rest.begin(), rest.end());
    if (rest == parts) rest = {whole};
    pieces.insert(pieces.end(), rest.begin(), rest.end());
  }
  return pieces;
}

AttentionSettings expanded(AttentionSettings settings) {
  settings.layers = expand_entries(settings.layers);
  settings.last = expand_entries(settings.last);
  return settings;
}

std::vector<LayerPattern> layer_patterns(const AttentionSettings& settings, std::int64_t layers,
                                         std::int64_t heads) {
  if (!settings.stride) throw SettingError("model.attention.stride", "no stride is given");
  const AttentionSettings full = expanded(settings);
  if (full.layers.empty()) throw SettingError(kLayersKey, "no pattern is given");
  const auto last = static_cast<std::int64_t>(full.last.size());
  if (last > layers) {
    throw SettingError("model.attention.last",
                       std::to_string(last) + " entries for " + std::to_string(layers) + " layers");
  }
  std::vector<LayerPattern> result;
  for (std::int64_t i = 0; i < layers; ++i) {
    const bool from_cycle = i < layers - last;
    const auto index = static_cast<std::size_t>(from_cycle ? i : i - (layers - last));
    const auto& entry = from_cycle ? full.layers[index % full.layers.size()] : full.last[index];
    result.push_back(make_layer(entry, full, heads));
  }
  return result;
}

std::int64_t count_pairs(const HeadGroup& group, std::int64_t n) {
  std::int64_t pairs = 0;
  for (const Piece& piece : group.pieces) pairs += count_pairs(piece, n);
  return pairs;
}

double pairs_per_query(const std::vector<LayerPattern>& layers, std::int64_t n) {
  double pairs = 0;
  for (const LayerPattern& layer : layers) {
    for (const HeadGroup& group : layer.groups) {
      pairs += static_cast<double>(count_pairs(group, n) * group.heads) /
               static_cast<double>(layer.heads());
    }
  }
  return pairs / static_cast<double>(layers.size()) / static_cast<double>(n);
}

std::int64_t count_empty_queries(const LayerPattern& layer, std::int64_t n) {
  std::int64_t most = 0;
  for (const HeadGroup& group : layer.groups) {
    std::int64_t empty = 0;
    for (std::int64_t t = 0; t < n; ++t) {
      const bool has_key = std::any_of(
          group.pieces.begin(), group.pieces.end(),
          [&](const Piece& piece) { return keys(piece, t, group.first_head).count() > 0; });
      empty += has_key ? 0 : 1;
    }
    most = std::max(most, empty);
  }
  return most;
}

bool connects_first_to_last(const std::vector<LayerPattern>& layers, std::int64_t n) {
  // Walk down from position n - 1: what it depends on after each layer.
  std::vector<bool> reached(static_cast<std::size_t>(n), false);
  reached[static_cast<std::size_t>(n - 1)] = true;
  for (auto layer = layers.rbegin(); layer != layers.rend() && !reached[0]; ++layer) {
    const std::vector<bool> queries = reached;
    for (std::int64_t t = 0; t < n; ++t) {
      if (!queries[static_cast<std::size_t>(t)]) continue;
      for (const HeadGroup& group : layer->groups) mark_keys(group, t, reached);
    }
  }
  return reached[0];
}

}  // namespace sparse_transformer
