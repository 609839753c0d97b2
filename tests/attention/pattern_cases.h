// The patterns that every attention test loops over, each with its definition written out again,
// straight from the paper (§4.2-4.3) and independent of the pieces.
#pragma once

#include <cstdint>
#include <string>
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

inline AttentionSettings settings_of(const PatternCase& c) {
  AttentionSettings settings;
  settings.stride = c.stride;
  settings.layers = {c.entry};
  settings.summary = c.summary;
  return settings;
}

inline LayerPattern layer_of(const PatternCase& c) {
  return layer_patterns(settings_of(c), 1, c.heads).front();
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

/// Every single pattern, every union that the language accepts, and head groups, at sizes where l
/// divides n and where it does not, l = 1, l = n, primes.
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
  std::vector<PatternCase> cases;
  for (const auto& entry : entries) {
    for (const Size& size : sizes) {
      const std::int64_t heads = size.n > 100 ? 4 : (entry.size() == 4 ? 8 : 6);
      cases.push_back({entry, size.n, size.stride, size.summary, heads});
    }
  }
  return cases;
}

}  // namespace sparse_transformer
