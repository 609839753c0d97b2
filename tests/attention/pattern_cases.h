// The patterns that every attention test loops over, each with its definition written out again,
// straight from the paper (§4.2-4.3) or definitions.h and independent of the pieces.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "attention/pattern.h"

namespace sparse_transformer {

struct PatternCase {
  std::vector<std::string> entry;  // an entry of `layers`: one pattern a head group
  std::int64_t n, stride, summary, heads;
};

inline std::string case_name(const PatternCase& c) {
  std::string name;
  for (const std::string& group : c.entry) name += (name.empty() ? "" : " | ") + group;
  return name + " n=" + std::to_string(c.n) + " l=" + std::to_string(c.stride) +
         " c=" + std::to_string(c.summary) + " heads=" + std::to_string(c.heads);
}

/// 0 and 1 for every 5 of n positions, without a rule that a band has.
inline LayoutPattern some_layout(std::int64_t n) {
  LayoutPattern layout{.block = 5, .path = {}, .rows = {}};
  const std::int64_t blocks = (n + 4) / 5;
  for (std::int64_t q = 0; q < blocks; ++q) {
    std::string row;
    for (std::int64_t k = 0; k < blocks; ++k) row += (q * q + 3 * k) % 5 < 2 ? '1' : '0';
    layout.rows.push_back(row);
  }
  return layout;
}

/// A definition of every kind, and more of those with an origin.
inline Named<Definition> make_definitions(std::int64_t n) {
  return {{"near", {WindowPattern{.width = 5, .dilation = 3}}},
          {"seven", {WindowPattern{.width = 7}}},
          {"after", {WindowPattern{.width = 6, .dilation = 2, .origin = 5}}},
          {"start", {SinkPattern{.tokens = 3}}},
          {"text", {PrefixPattern{.tokens = 5}}},
          {"prow", {AxisPattern{.size = 4, .inner = 1, .origin = 5}}},
          {"pcolumn", {AxisPattern{.size = {}, .inner = 4, .origin = 5}}},
          {"plane", {AxisPattern{.size = 3, .inner = 4}}},
          {"depth", {AxisPattern{.size = {}, .inner = 12}}},
          {"conv", {ConvolutionPattern{.kernel = 5, .row = {}}}},
          {"pconv", {ConvolutionPattern{.kernel = 3, .row = 4, .origin = 5}}},
          {"spread", {SpreadPattern{.count = 2, .row = 6}}},
          {"vertical", {VerticalPattern{.block = 3, .stride = 4}}},
          {"wide", {VerticalPattern{.block = 2, .stride = 9}}},
          {"random", {RandomPattern{.block = 4, .blocks = 2, .seed = 7}}},
          {"segments", {SegmentsPattern{.segment = 12, .dilation = 3}}},
          {"tokens", {GlobalPattern{.positions = {11, 4, 5, 0}}}},
          {"layout", {some_layout(n)}}};
}

inline const Named<Definition>& definitions(std::int64_t n) {
  static std::map<std::int64_t, Named<Definition>> made;
  const auto known = made.find(n);
  return known != made.end() ? known->second : made[n] = make_definitions(n);
}

inline AttentionSettings settings_of(const PatternCase& c) {
  AttentionSettings settings;
  settings.define = definitions(c.n);
  settings.stride = c.stride;
  settings.layers = {c.entry};
  settings.summary = c.summary;
  return settings;
}

inline LayerPattern layer_of(const PatternCase& c) {
  return layer_patterns(settings_of(c), 1, c.heads, c.n).front();
}

struct Pair {
  std::int64_t head, i, j;
};

/// Whether query i sees key j <= i in a definition, by what definitions.h says of its kind.
inline bool sees(const WindowPattern& p, const PatternCase& /*c*/, Pair pair) {
  const std::int64_t d = pair.i - pair.j;
  return pair.j >= p.origin && d < *p.width * p.dilation && d % p.dilation == 0;
}
inline bool sees(const SinkPattern& p, const PatternCase& /*c*/, Pair pair) {
  return pair.j < p.tokens;
}
inline bool sees(const PrefixPattern& p, const PatternCase& /*c*/, Pair pair) {
  return pair.j < p.tokens;
}
inline bool sees(const AxisPattern& p, const PatternCase& c, Pair pair) {
  const std::int64_t i = pair.i - p.origin;
  const std::int64_t j = pair.j - p.origin;
  return j >= 0 && i % p.inner == j % p.inner &&
         i / p.inner / p.size.value_or(c.n) == j / p.inner / p.size.value_or(c.n);
}
inline bool sees(const ConvolutionPattern& p, const PatternCase& c, Pair pair) {
  if (pair.j < p.origin) return false;
  const std::int64_t half = p.kernel / 2;
  for (std::int64_t r = 0; r <= half; ++r) {
    if (std::abs(pair.i - pair.j - r * p.row.value_or(c.stride)) <= half) return true;
  }
  return false;
}
inline bool sees(const SpreadPattern& p, const PatternCase& /*c*/, Pair pair) {
  const std::int64_t step = *p.row / p.count;
  return pair.j / *p.row < pair.i / *p.row && pair.j % step == step - 1;
}
inline bool sees(const VerticalPattern& p, const PatternCase& c, Pair pair) {
  const std::int64_t step = std::max<std::int64_t>(1, p.stride / c.heads);
  const std::int64_t b = pair.j / p.block;
  return b < pair.i / p.block && (b + 1 + pair.head * step) % p.stride == 0;
}
inline bool sees(const SegmentsPattern& p, const PatternCase& /*c*/, Pair pair) {
  return pair.i / *p.segment == pair.j / *p.segment && (pair.i - pair.j) % p.dilation == 0;
}
inline bool sees(const GlobalPattern& p, const PatternCase& /*c*/, Pair pair) {
  return std::find(p.positions.begin(), p.positions.end(), pair.j) != p.positions.end();
}
inline bool sees(const LayoutPattern& p, const PatternCase& /*c*/, Pair pair) {
  const auto row = static_cast<std::size_t>(pair.i / p.block);
  return p.rows[row][static_cast<std::size_t>(pair.j / p.block)] == '1';
}
/// What is drawn has no formula: pattern_test.cpp looks at its properties.
inline bool sees(const RandomPattern& p, const PatternCase& c, Pair pair) {
  static std::map<std::pair<std::int64_t, std::int64_t>, std::vector<Piece>> known;
  std::vector<Piece>& drawn = known[{c.n, pair.head}];
  if (drawn.empty()) drawn = p.pieces({c.stride, c.n, c.heads, pair.head, 1});
  bool found = false;
  for_each_key(drawn.front(), pair.i, pair.head, [&](std::int64_t key) { found |= key == pair.j; });
  return found;
}

/// Whether query i sees key j <= i in a single pattern.
inline bool single_sees(const std::string& name, const PatternCase& c, std::int64_t head,
                        std::int64_t i, std::int64_t j) {
  const std::int64_t l = c.stride;
  if (name == "dense") return true;
  if (name == "local") return i - j < l;
  if (name == "row") return i / l == j / l;
  if (name == "previous") return i / l == j / l + 1;
  if (name == "column") return (i - j) % l == 0;
  if (name == "summary") {
    const std::int64_t block = head % (l / c.summary);
    const std::int64_t end = l - c.summary * block;
    return j / l < i / l && j % l >= end - c.summary && j % l < end;
  }
  for (const auto& [defined, definition] : definitions(c.n)) {
    if (defined != name) continue;
    return std::visit(
        [&](const auto& kind) {
          return sees(kind, c, {head, i, j});
        },
        definition.kind);
  }
  throw std::logic_error("no definition of " + name);
}

inline bool sees(const PatternCase& c, std::int64_t head, std::int64_t i, std::int64_t j) {
  if (j > i) return false;
  const std::int64_t heads_a_group = c.heads / static_cast<std::int64_t>(c.entry.size());
  std::string names = c.entry[static_cast<std::size_t>(head / heads_a_group)];
  if (names == "fixed") names = "row+summary";
  std::size_t begin = 0;
  while (begin <= names.size()) {
    const std::size_t end = std::min(names.find('+', begin), names.size());
    if (single_sees(names.substr(begin, end - begin), c, head, i, j)) return true;
    begin = end + 1;
  }
  return false;
}

/// Every kind of definition, unions of them with each other and with what needs no definition,
/// where views divide n and where they do not.
inline std::vector<PatternCase> defined_cases() {
  const std::vector<std::vector<std::string>> entries = {
      {"near"},
      {"seven"},
      {"after"},
      {"start"},
      {"text"},
      {"prow"},
      {"pcolumn"},
      {"conv"},
      {"pconv"},
      {"spread"},
      {"vertical"},
      {"wide"},
      {"random"},
      {"segments"},
      {"tokens"},
      {"layout"},
      {"near+start"},
      {"text+prow"},
      {"text+pcolumn"},
      {"text+after+pconv"},
      {"seven+column"},
      {"near+local"},
      {"seven+vertical"},
      {"start+row"},
      {"start+row+summary+previous"},
      {"start+summary"},
      {"start+column+local"},
      {"start+text"},
      {"conv+column+row"},
      {"row+plane+depth"},
      {"segments+near+seven"},
      {"tokens+local"},
      {"tokens+column+random"},
      {"start+tokens"},
      {"random+local+start"},
      {"layout+dense"},
      {"layout+random"},
      {"spread+column"},
      {"spread+summary"},
      {"vertical+wide+near"},
      {"near+start", "column"},
      {"random", "vertical"},
      {"random+vertical", "wide"},
  };
  std::vector<PatternCase> cases;
  for (const auto& entry : entries) {
    cases.push_back({entry, 36, 6, 2, 4});
    cases.push_back({entry, 53, 7, 7, 6});
    cases.push_back({entry, 80, 16, 4, 2});
  }
  return cases;
}

/// Every single pattern, unions of them and head groups, at sizes where l divides n and where it
/// does not, l = 1, l = n, primes; and the defined ones.
inline std::vector<PatternCase> pattern_cases() {
  const std::vector<std::vector<std::string>> entries = {
      {"dense"},
      {"local"},
      {"row"},
      {"column"},
      {"previous"},
      {"summary"},
      {"fixed"},
      {"local+column"},
      {"column+local"},
      {"row+column"},
      {"row+previous"},
      {"local+previous"},
      {"local+summary"},
      {"column+summary"},
      {"previous+column"},
      {"local+previous+column"},
      {"row+previous+column"},
      {"previous+summary"},
      {"row+previous+summary"},
      {"dense+column"},
      {"local", "column"},
      {"fixed", "local+column"},
      {"summary", "row", "dense", "column"},
  };
  struct Size {
    std::int64_t n, stride, summary;
  };
  const std::vector<Size> sizes = {{16, 4, 1},  {16, 1, 1},   {16, 16, 4},  {36, 6, 2}, {36, 6, 6},
                                   {36, 12, 3}, {63, 9, 3},   {63, 7, 7},   {63, 8, 2}, {63, 21, 7},
                                   {63, 63, 9}, {512, 16, 4}, {512, 32, 32}};
  std::vector<PatternCase> cases = defined_cases();
  for (const auto& entry : entries) {
    for (const Size& size : sizes) {
      const std::int64_t heads = size.n > 100 ? 4 : (entry.size() == 4 ? 8 : 6);
      cases.push_back({entry, size.n, size.stride, size.summary, heads});
    }
  }
  return cases;
}

}  // namespace sparse_transformer
