// Who attends to how much: the layers and head groups of a model, equal ones once, with their
// counts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attention/pattern.h"

namespace sparse_transformer {

/// A head group and the layers that have it. Counts are of one head, the mean where heads differ.
struct GroupCounts {
  std::vector<std::int64_t> layers;
  std::int64_t stride = 1;
  HeadGroup group;
  std::int64_t pairs = 0;          // (query, key)
  double pairs_per_query = 0.0;    // mean
  double share_of_dense = 0.0;     // of n·(n + 1)/2
  std::int64_t empty_queries = 0;  // that have no key, in the head with the most of them
};

struct PatternCounts {
  std::int64_t length = 0;  // n
  std::vector<GroupCounts> groups;
  double pairs_per_query = 0.0;  // mean over queries, heads and layers
  double share_of_dense = 0.0;
  bool connected = false;  // whether what is at position 0 can reach position n - 1
};

PatternCounts count_patterns(const std::vector<LayerPattern>& layers, std::int64_t length);

/// "0, 4, 8 … 124 (32)": as few numbers as show which, and how many they are.
std::string layers_text(const std::vector<std::int64_t>& layers);

/// A table for people, one line a head group.
std::string counts_table(const PatternCounts& counts);

}  // namespace sparse_transformer
