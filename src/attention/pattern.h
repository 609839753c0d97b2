// The pattern language: from names in a config to the pieces of every head of every layer.
//
// Names: dense, local (a window of l with self), row, column, previous, summary, those of
// `define` (definitions.h), and the short names `strided` (local and column, alternating by layer)
// and `fixed` (row+summary).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attention/attention_settings.h"
#include "attention/piece.h"

namespace sparse_transformer {

/// Consecutive heads of a layer that share a pattern.
struct HeadGroup {
  std::string name;  // as in the config: "local+column"
  std::int64_t first_head = 0;
  std::int64_t heads = 1;
  std::vector<Piece> pieces;  // disjoint
  /// The names that the union joins, or the only name, each as a group of its own without parts.
  /// Their pairs may overlap.
  std::vector<HeadGroup> parts = {};
};

struct LayerPattern {
  std::int64_t stride = 1;  // l; sequences are padded to a multiple of it
  std::vector<HeadGroup> groups;

  std::int64_t heads() const;
  const HeadGroup& group_of(std::int64_t head) const;
  /// "local+column", or "[local, column]".
  std::string name() const;
};

/// The disjoint pieces that together are `parts`: no pair twice. Where a part overlaps others in a
/// way that is no list of bands and shared keys, what is left of it is listed block by block.
std::vector<Piece> union_pieces(std::vector<Piece> parts, const PatternPlace& place);

/// `layers` and `last` with `strided` and `fixed` replaced by what they stand for, and layouts read
/// from their files, as the resolved file shows them. Throws UserError (with file:line of a
/// layout).
AttentionSettings expanded(AttentionSettings settings);

/// One pattern a layer, for sequences of up to `length` positions. Throws SettingError where the
/// settings do not fit each other: no stride, an unknown name (with the nearest known one), a
/// definition with a name that is taken, heads that do not divide into the groups, a summary that
/// does not divide the stride, more `last` entries than layers.
std::vector<LayerPattern> layer_patterns(const AttentionSettings& settings, std::int64_t layers,
                                         std::int64_t heads, std::int64_t length);

/// (query, key) pairs among the first n positions, of all heads of the group.
std::int64_t count_pairs(const HeadGroup& group, std::int64_t n);

/// Heads after which the keys of a group repeat, at most its own.
std::int64_t distinct_heads(const HeadGroup& group);

/// Mean number of keys a query has, over queries, heads and layers.
double pairs_per_query(const std::vector<LayerPattern>& layers, std::int64_t n);

/// Queries among the first n positions that have no key in some head, the largest over heads.
std::int64_t count_empty_queries(const LayerPattern& layer, std::int64_t n);

/// Whether what is at position 0 can reach position n - 1 through the layers (residual paths
/// included).
bool connects_first_to_last(const std::vector<LayerPattern>& layers, std::int64_t n);

}  // namespace sparse_transformer
