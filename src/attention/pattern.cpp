#include "attention/pattern.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <utility>

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
  const std::int64_t width = settings.summary_columns();
  if (stride % width != 0) {
    throw SettingError(
        "model.attention.summary",
        std::to_string(width) + " columns do not divide the stride of " + std::to_string(stride));
  }
  const std::int64_t most = stride / width;
  const std::int64_t blocks = settings.summary_blocks.value_or(most);
  if (blocks > most) {
    throw SettingError("model.attention.summary_blocks",
                       std::to_string(blocks) + " sub-blocks of " + std::to_string(width) +
                           " columns do not fit into a row of " + std::to_string(stride));
  }
  return {.period = stride,
          .width = width,
          .first = stride - width,
          .rotate = width,
          .blocks = blocks,
          .delay = stride};
}

/// Every pattern that needs no definition.
const std::vector<NamedPattern>& patterns() {
  static const std::vector<NamedPattern> list = {
      {"dense", [](const AttentionSettings&) { return Band{}; }},
      // l keys, as in the released code. The paper's formula (§4.3) has l + 1; the one more is in
      // the column, so that their union is the same.
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

std::string definition_key(const std::string& name) { return "model.attention.define." + name; }

/// What the action does, its SettingErrors under the definition's key.
template <typename Action>
auto for_definition(const std::string& name, const Action& action) {
  try {
    return action();
  } catch (const SettingError& error) {
    const std::string problem = std::string(error.what()).substr(error.key().size() + 2);
    throw SettingError(definition_key(name) + "." + error.key(), problem);
  }
}

std::vector<std::string> known_names(const AttentionSettings& settings) {
  std::vector<std::string> names;
  for (const NamedPattern& pattern : patterns()) names.push_back(pattern.name);
  names.insert(names.end(), {"strided", "fixed"});
  for (const auto& [name, definition] : settings.define) names.push_back(name);
  return names;
}

void check_definitions(const AttentionSettings& settings) {
  const std::vector<std::string> built_in = known_names({});
  for (const auto& [name, definition] : settings.define) {
    if (std::find(built_in.begin(), built_in.end(), name) != built_in.end()) {
      throw SettingError(definition_key(name), "'" + name + "' is a pattern already; take another");
    }
    if (name.find_first_of("+ ") != std::string::npos) {
      throw SettingError(definition_key(name), "a name without '+' and spaces is expected");
    }
  }
}

/// The pieces of one name.
std::vector<Piece> named_pieces(const std::string& name, const AttentionSettings& settings,
                                const PatternPlace& place) {
  for (const NamedPattern& pattern : patterns()) {
    if (pattern.name == name) return {pattern.piece(settings)};
  }
  for (const auto& [defined, definition] : settings.define) {
    if (defined == name) return for_definition(name, [&] { return pieces(definition, place); });
  }
  if (name == "strided") {
    throw SettingError(kLayersKey,
                       "strided alternates local and column by layer and stands alone; for both in "
                       "one head write local+column");
  }
  throw SettingError(kLayersKey, "unknown pattern '" + name + "'" +
                                     (name == "fixed" ? " in a union; write row+summary"
                                                      : did_you_mean(name, known_names(settings))));
}

/// The smaller first: a piece gives up the pairs that those before it have, and is exactly what is
/// left of it more often in this order than in others.
int precedence(const Piece& piece) {
  const auto* band = std::get_if<Band>(&piece);
  if (band == nullptr) return std::holds_alternative<Shared>(piece) ? 5 : 8;
  if (band->keys < kUnbounded) return band->view.origin == 0 ? 1 : 7;
  if (!band->view.is_whole()) return band->shift == 0 ? 3 : 4;
  if (band->high < kUnbounded) return 2;
  return band->view.inner == 1 ? 0 : 6;
}

/// Of two bands of one kind the one with neighbours that are nearer.
std::int64_t inner(const Piece& piece) {
  const auto* band = std::get_if<Band>(&piece);
  return band == nullptr ? 0 : band->view.inner;
}

/// What of `piece` none of `taken` has.
Remainder subtract(const Piece& piece, const std::vector<Piece>& taken) {
  Remainder rest{{piece}};
  for (const Piece& earlier : taken) {
    std::vector<Piece> still;
    for (const Piece& part : rest.pieces) {
      Remainder remaining = remainder(part, earlier);
      rest.is_whole = rest.is_whole && remaining.is_whole;
      still.insert(still.end(), remaining.pieces.begin(), remaining.pieces.end());
    }
    rest.pieces = std::move(still);
  }
  return rest;
}

/// Heads of the place after which the keys of all these pieces repeat.
std::int64_t distinct_heads(const std::vector<Piece>& pieces, std::int64_t heads) {
  std::int64_t distinct = 1;
  for (const Piece& piece : pieces) {
    distinct = std::min(heads, std::lcm(distinct, sparse_transformer::distinct_heads(piece)));
  }
  return distinct;
}

/// The pairs of `parts` that `pieces` do not have.
BlockTable left_over(const std::vector<Piece>& parts, const std::vector<Piece>& pieces,
                     const PatternPlace& place) {
  constexpr std::int64_t kBlock = 16;
  BlockTableBuilder builder(place.length, kBlock, place.first_head);
  std::vector<Piece> all = parts;
  all.insert(all.end(), pieces.begin(), pieces.end());
  std::vector<bool> is_left(static_cast<std::size_t>(place.length), false);
  const auto mark = [&](const std::vector<Piece>& some, std::int64_t t, std::int64_t head,
                        bool left) {
    for (const Piece& piece : some) {
      for_each_key(piece, t, head,
                   [&](std::int64_t key) { is_left[static_cast<std::size_t>(key)] = left; });
    }
  };
  for (std::int64_t h = 0; h < distinct_heads(all, place.group_heads); ++h) {
    const std::int64_t head = place.first_head + h;
    builder.begin_head();
    for (std::int64_t t = 0; t < place.length; ++t) {
      mark(parts, t, head, true);
      mark(pieces, t, head, false);
      for (const Piece& part : parts) {
        for_each_key(part, t, head, [&](std::int64_t key) {
          if (is_left[static_cast<std::size_t>(key)]) builder.add(t, key);
          is_left[static_cast<std::size_t>(key)] = false;
        });
      }
    }
  }
  return builder.finish();
}

HeadGroup make_group(const std::string& text, const AttentionSettings& settings,
                     const PatternPlace& place) {
  HeadGroup group{
      .name = text, .first_head = place.first_head, .heads = place.group_heads, .pieces = {}};
  std::vector<Piece> parts;
  for (const std::string& name : split_union(text)) {
    HeadGroup part{.name = name,
                   .first_head = place.first_head,
                   .heads = place.group_heads,
                   .pieces = named_pieces(name, settings, place)};
    parts.insert(parts.end(), part.pieces.begin(), part.pieces.end());
    group.parts.push_back(std::move(part));
  }
  group.pieces = union_pieces(std::move(parts), place);
  return group;
}

LayerPattern make_layer(const std::vector<std::string>& entry, const AttentionSettings& settings,
                        std::int64_t heads, std::int64_t length) {
  const auto groups = static_cast<std::int64_t>(entry.size());
  if (groups == 0 || heads % groups != 0) {
    throw SettingError("model.heads", std::to_string(heads) + " heads do not divide into the " +
                                          std::to_string(groups) + " head groups of a layer");
  }
  LayerPattern layer;
  layer.stride = *settings.stride;
  for (std::int64_t g = 0; g < groups; ++g) {
    layer.groups.push_back(make_group(entry[static_cast<std::size_t>(g)], settings,
                                      {.stride = layer.stride,
                                       .length = length,
                                       .heads = heads,
                                       .first_head = g * (heads / groups),
                                       .group_heads = heads / groups}));
  }
  return layer;
}

void mark_keys(const HeadGroup& group, std::int64_t t, std::vector<bool>& marks) {
  for (std::int64_t head = 0; head < distinct_heads(group); ++head) {
    for (const Piece& piece : group.pieces) {
      for_each_key(piece, t, group.first_head + head,
                   [&](std::int64_t key) { marks[static_cast<std::size_t>(key)] = true; });
    }
  }
}

std::int64_t count_empty_queries(const HeadGroup& group, std::int64_t head, std::int64_t n) {
  std::int64_t empty = 0;
  for (std::int64_t t = 0; t < n; ++t) {
    const bool has_key =
        std::any_of(group.pieces.begin(), group.pieces.end(),
                    [&](const Piece& piece) { return count_keys(piece, t, head) > 0; });
    empty += has_key ? 0 : 1;
  }
  return empty;
}

}  // namespace

std::int64_t AttentionSettings::summary_columns() const {
  if (summary) return *summary;
  std::int64_t columns = std::max<std::int64_t>(*stride / 4, 1);
  while (*stride % columns != 0) --columns;
  return columns;
}

void AttentionSettings::describe(FieldVisitor& visit) {
  constexpr std::int64_t kOne = 1;
  visit.field("stride", stride,
              "l, positions a row; best the period of the data, as a picture's row or a bar of "
              "music; default: a picture's row, else the power of two nearest to √n",
              between(kOne, kMostPositions));
  visit.field(
      "layers", layers,
      "what each layer's heads attend to, repeated over the depth: dense, local, row, "
      "column, previous, summary, a union such as row+summary, a list with one pattern a "
      "head group, strided (local and column in turn; the paper's for pictures and music, whose "
      "period the stride fits), fixed (row+summary; the paper's for text), or what is defined; "
      "[] = fixed for bytes, strided for all else, packed data included");
  visit.field("last", last, "patterns of the final layers, instead of the cycle");
  visit.field("summary", summary,
              "c, columns of every earlier row that summary attends to; default: a quarter of the "
              "stride, or the largest number below that divides it",
              between(kOne, kMostPositions));
  visit.field("summary_blocks", summary_blocks,
              "sub-blocks of c columns that the heads rotate over; default l / c, 1 = all heads "
              "share the last c columns",
              between(kOne, kMostPositions));
  visit.named("define", define, "patterns with settings of their own, for use in layers and last");
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

std::vector<Piece> union_pieces(std::vector<Piece> parts, const PatternPlace& place) {
  std::stable_sort(parts.begin(), parts.end(), [](const Piece& a, const Piece& b) {
    return std::pair(precedence(a), inner(a)) < std::pair(precedence(b), inner(b));
  });
  std::vector<Piece> pieces;
  std::vector<Piece> cut;  // parts of which something is left that is no piece
  for (const Piece& part : parts) {
    const Remainder rest = subtract(part, pieces);
    if (!rest.is_whole) cut.push_back(part);
    pieces.insert(pieces.end(), rest.pieces.begin(), rest.pieces.end());
  }
  if (cut.empty()) return pieces;
  BlockTable table = left_over(cut, pieces, place);
  if (!table.is_empty()) {
    pieces.emplace_back(Blocks(std::move(table)));
  }
  return pieces;
}

AttentionSettings expanded(AttentionSettings settings) {
  settings.layers = expand_entries(settings.layers);
  settings.last = expand_entries(settings.last);
  for (auto& [name, definition] : settings.define) {
    if (auto* layout = std::get_if<LayoutPattern>(&definition.kind)) {
      for_definition(name, [&] { layout->read_file(); });
    }
  }
  return settings;
}

std::vector<LayerPattern> layer_patterns(const AttentionSettings& settings, std::int64_t layers,
                                         std::int64_t heads, std::int64_t length) {
  if (!settings.stride) throw SettingError("model.attention.stride", "no stride is given");
  const AttentionSettings full = expanded(settings);
  check_definitions(full);
  if (full.layers.empty()) throw SettingError(kLayersKey, "no pattern is given");
  const auto last = static_cast<std::int64_t>(full.last.size());
  if (last > layers) {
    throw SettingError("model.attention.last",
                       std::to_string(last) + " entries for " + std::to_string(layers) + " layers");
  }
  std::map<std::vector<std::string>, LayerPattern> made;  // layers share what they list
  std::vector<LayerPattern> result;
  for (std::int64_t i = 0; i < layers; ++i) {
    const bool from_cycle = i < layers - last;
    const auto index = static_cast<std::size_t>(from_cycle ? i : i - (layers - last));
    const auto& entry = from_cycle ? full.layers[index % full.layers.size()] : full.last[index];
    const auto known = made.find(entry);
    result.push_back(known != made.end() ? known->second : make_layer(entry, full, heads, length));
    made.try_emplace(entry, result.back());
  }
  return result;
}

std::int64_t count_pairs(const HeadGroup& group, std::int64_t n) {
  std::int64_t pairs = 0;
  for (const Piece& piece : group.pieces) {
    const std::int64_t distinct = std::min(group.heads, distinct_heads(piece));
    for (std::int64_t head = 0; head < distinct; ++head) {
      const std::int64_t alike = (group.heads - head - 1) / distinct + 1;
      pairs += alike * count_pairs(piece, n, group.first_head + head);
    }
  }
  return pairs;
}

std::int64_t distinct_heads(const HeadGroup& group) {
  return distinct_heads(group.pieces, group.heads);
}

double pairs_per_query(const std::vector<LayerPattern>& layers, std::int64_t n) {
  double pairs = 0;
  for (const LayerPattern& layer : layers) {
    for (const HeadGroup& group : layer.groups) {
      pairs += static_cast<double>(count_pairs(group, n)) / static_cast<double>(layer.heads());
    }
  }
  return pairs / static_cast<double>(layers.size()) / static_cast<double>(n);
}

std::int64_t count_empty_queries(const LayerPattern& layer, std::int64_t n) {
  std::int64_t most = 0;
  for (const HeadGroup& group : layer.groups) {
    for (std::int64_t head = 0; head < distinct_heads(group); ++head) {
      most = std::max(most, count_empty_queries(group, group.first_head + head, n));
    }
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
