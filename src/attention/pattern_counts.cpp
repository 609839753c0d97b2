#include "attention/pattern_counts.h"

#include <algorithm>
#include <cmath>

#include "runtime/format.h"

namespace sparse_transformer {
namespace {

double dense_pairs(std::int64_t length) {
  return static_cast<double>(length) * static_cast<double>(length + 1) / 2.0;
}

GroupCounts count_group(const LayerPattern& layer, const HeadGroup& group, std::int64_t length) {
  GroupCounts counts{.layers = {}, .stride = layer.stride, .group = group};
  const std::int64_t pairs = count_pairs(group, length);
  const double pairs_a_head = static_cast<double>(pairs) / static_cast<double>(group.heads);
  counts.pairs = std::llround(pairs_a_head);
  counts.pairs_per_query = pairs_a_head / static_cast<double>(length);
  counts.share_of_dense = pairs_a_head / dense_pairs(length);
  counts.empty_queries = count_empty_queries({.stride = layer.stride, .groups = {group}}, length);
  return counts;
}

bool is_same(const GroupCounts& counts, const HeadGroup& group) {
  return counts.group.name == group.name && counts.group.first_head == group.first_head &&
         counts.group.heads == group.heads;
}

std::string heads_text(const HeadGroup& group) {
  std::string first = std::to_string(group.first_head);
  if (group.heads == 1) return first;
  return first + "-" + std::to_string(group.first_head + group.heads - 1);
}

std::string percent(double share) { return format_fixed(100.0 * share, 2) + "%"; }

}  // namespace

PatternCounts count_patterns(const std::vector<LayerPattern>& layers, std::int64_t length) {
  PatternCounts counts;
  counts.length = length;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    for (const HeadGroup& group : layers[layer].groups) {
      auto found = std::find_if(counts.groups.begin(), counts.groups.end(),
                                [&](const GroupCounts& known) { return is_same(known, group); });
      if (found == counts.groups.end()) {
        counts.groups.push_back(count_group(layers[layer], group, length));
        found = std::prev(counts.groups.end());
      }
      found->layers.push_back(static_cast<std::int64_t>(layer));
    }
  }
  counts.pairs_per_query = pairs_per_query(layers, length);
  counts.share_of_dense =
      counts.pairs_per_query * static_cast<double>(length) / dense_pairs(length);
  counts.connected = connects_first_to_last(layers, length);
  return counts;
}

std::string layers_text(const std::vector<std::int64_t>& layers) {
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers.size() > kShown + 1 && i == kShown) {
      return text + " … " + std::to_string(layers.back()) + " (" + std::to_string(layers.size()) +
             ")";
    }
    text += (i > 0 ? ", " : "") + std::to_string(layers[i]);
  }
  return text;
}

std::string counts_table(const PatternCounts& counts) {
  std::vector<std::vector<std::string>> lines = {
      {"pattern", "layers", "heads", "pairs a head", "keys a query", "of dense", "no key"}};
  for (const GroupCounts& group : counts.groups) {
    lines.push_back({group.group.name, layers_text(group.layers), heads_text(group.group),
                     format_count(group.pairs), format_fixed(group.pairs_per_query, 1),
                     percent(group.share_of_dense), format_count(group.empty_queries)});
  }
  lines.push_back({"mean", "", "", "", format_fixed(counts.pairs_per_query, 1),
                   percent(counts.share_of_dense), ""});
  const std::string last = std::to_string(counts.length - 1);
  constexpr std::size_t kTextColumns = 3;
  return format_table(lines, kTextColumns) + "What is at position 0 " +
         (counts.connected ? "reaches" : "never reaches") + " position " + last + ".\n";
}

}  // namespace sparse_transformer
