// What the rounds of tiles.h consist of: blocks of queries, tiles of keys, and products of those of
// their rows that meet. The rules of registers.inl hold here.
#pragma once

#include <cstdint>

#include "attention/kernels/tiles.h"
#include "attention/kernels/tiles_rows.inl"

namespace sparse_transformer {
namespace {

/// From `begin` up to, not including, `end`.
struct Range {
  std::int64_t begin, end;
};

/// One block of queries against one tile of keys: where they meet.
struct Meeting {
  std::int64_t left, right;
  std::int64_t first_query, queries;
  std::int64_t first_key, keys;

  /// Of the tile's keys, those that any of the queries [query, query + count) of the block sees.
  Range keys_of(std::int64_t query, std::int64_t count) const {
    const std::int64_t i = first_query + query - first_key;
    return or_empty({larger(0, i - left), smaller(keys, i + count + right)});
  }
  /// Of the block's queries, those that see any of the keys [key, key + count) of the tile.
  Range queries_of(std::int64_t key, std::int64_t count) const {
    const std::int64_t j = first_key + key - first_query;
    return or_empty({larger(0, j - right), smaller(queries, j + count + left)});
  }

 private:
  static Range or_empty(Range range) { return range.begin < range.end ? range : Range{0, 0}; }
};

/// sums[key, query] = keys[key, width] · lanes[width, query] for all pairs that meet, to whole
/// registers. sums: [kTileKeys, kBlockQueries]; width in operands.
template <typename Operand>
void multiply_meeting(const Meeting& meeting, const Operand* keys, const Operand* lanes,
                      std::int64_t width, Sum<Operand>* sums) {
  for (std::int64_t key = 0; key < meeting.keys; key += kGroup) {
    const std::int64_t rows = smaller(kGroup, meeting.keys - key);
    Range range = meeting.queries_of(key, rows);
    range = {range.begin / kLanes<Operand> * kLanes<Operand>, round_up<Operand>(range.end)};
    multiply<Operand>(rows, {keys + key * width, width, 1}, {lanes + range.begin, kBlockQueries},
                      {sums + key * kBlockQueries + range.begin, kBlockQueries},
                      range.end - range.begin, width, Result::kReplaced);
  }
}

/// The operands that hold the numbers of a range.
template <typename Operand>
Range units_of(Range range) {
  return kIsPair<Operand> ? Range{range.begin / 2, units<Operand>(range.end)} : range;
}

/// Operands of a meeting's weights where they are not the weights themselves.
template <typename Operand>
constexpr std::int64_t kPackedWeights = kIsPair<Operand> ? kTileKeys* kBlockQueries / 2 : 0;

/// The weights [kTileKeys, kBlockQueries] of a meeting as left factors of sums over keys and over
/// queries. Numbers are so already; pairs go to `packed`, memory for kPackedWeights.
template <typename T>
const T* pairs_of_keys(const Meeting& /*meeting*/, const T* weights, T* /*packed*/) {
  return weights;
}
template <typename T>
const T* pairs_of_queries(const Meeting& /*meeting*/, const T* weights, T* /*packed*/) {
  return weights;
}

/// result[query, width] += Σ over keys weights[key, query] · rows[key, width]. weights: [kTileKeys,
/// kBlockQueries]; packed: memory for kPackedWeights.
template <typename Operand>
void add_for_queries(const Meeting& meeting, const Sum<Operand>* weights, Operand* packed,
                     const DenseRows<Operand>& rows, std::int64_t width, Sum<Operand>* result) {
  const Operand* const left = pairs_of_keys(meeting, weights, packed);
  for (std::int64_t query = 0; query < meeting.queries; query += kGroup) {
    const std::int64_t count = smaller(kGroup, meeting.queries - query);
    const Range keys = units_of<Operand>(meeting.keys_of(query, count));
    multiply<Operand>(count, {left + keys.begin * kBlockQueries + query, 1, kBlockQueries},
                      {rows.stacked + keys.begin * width, width}, {result + query * width, width},
                      width, keys.end - keys.begin, Result::kAddedTo);
  }
}

/// result[key, width] += Σ over queries weights[key, query] · rows[query, width]. The rest as
/// above.
template <typename Operand>
void add_for_keys(const Meeting& meeting, const Sum<Operand>* weights, Operand* packed,
                  const DenseRows<Operand>& rows, std::int64_t width, Sum<Operand>* result) {
  constexpr std::int64_t kStride = units<Operand>(kBlockQueries);
  const Operand* const left = pairs_of_queries(meeting, weights, packed);
  for (std::int64_t key = 0; key < meeting.keys; key += kGroup) {
    const std::int64_t count = smaller(kGroup, meeting.keys - key);
    const Range queries = units_of<Operand>(meeting.queries_of(key, count));
    multiply<Operand>(count, {left + key * kStride + queries.begin, kStride, 1},
                      {rows.stacked + queries.begin * width, width}, {result + key * width, width},
                      width, queries.end - queries.begin, Result::kAddedTo);
  }
}

/// One register of a block's queries, and the keys of a tile that they see.
template <typename T>
class Column {
 public:
  Column(const Meeting& meeting, std::int64_t lane)
      : range(meeting.keys_of(lane, smaller(kLanes<T>, meeting.queries - lane))) {
    const std::int64_t i = meeting.first_query + lane - meeting.first_key;
    whole_ = {i + kLanes<T> - 1 - meeting.left, i + meeting.right + 1};
    for (std::int64_t query = 0; query < kLanes<T>; ++query) {
      first_[query] = bounded(i + query - meeting.left);
      last_[query] = bounded(i + query + meeting.right);
    }
  }

  /// -inf where a key of the range is not seen by a query. scores: the register's place at key 0.
  void hide_unseen(T* scores) const {
    for (std::int64_t key = range.begin; key < range.end; ++key) {
      if (key >= whole_.begin && key < whole_.end) continue;
      const auto j = static_cast<Register<T>::Integer>(key);
      T* const at = scores + key * kBlockQueries;
      const Values<T> hidden = Values<T>{} - kInfinity<T>;
      store(at, ((first_ <= j) & (last_ >= j)) ? load(at) : hidden);
    }
  }

  /// Zeros for the keys that none of the queries sees.
  void clear_unseen(std::int64_t keys, T* weights) const {
    for (std::int64_t key = 0; key < range.begin; ++key) {
      store(weights + key * kBlockQueries, Values<T>{});
    }
    for (std::int64_t key = range.end; key < keys; ++key) {
      store(weights + key * kBlockQueries, Values<T>{});
    }
  }

  Range range;

 private:
  /// Keys of a tile are few: what is far outside compares alike.
  static Register<T>::Integer bounded(std::int64_t key) {
    return static_cast<Register<T>::Integer>(smaller(larger(key, -1), kTileKeys));
  }

  Range whole_;  // the keys that every query of the register sees
  Integers<T> first_, last_;
};

/// The keys that the queries of a round see, in tiles: visit(keys).
template <typename Number, typename T, typename Visit>
void for_each_tile(const BandedHead<Number, T>& head, Range queries, const Visit& visit) {
  const std::int64_t end = smaller(head.keys, queries.end + head.right);
  for (std::int64_t key = larger(0, queries.begin - head.left); key < end; key += kTileKeys) {
    visit(Range{key, smaller(key + kTileKeys, end)});
  }
}

/// Where a block of queries and a tile meet: nowhere if there are no keys then.
template <typename Number, typename T>
Meeting meeting_of(const BandedHead<Number, T>& head, Range queries, Range keys) {
  const std::int64_t end = smaller(keys.end, queries.end + head.right);
  const bool meets = larger(keys.begin, queries.begin - head.left) < end;
  return {head.left,     head.right,
          queries.begin, queries.end - queries.begin,
          keys.begin,    meets ? end - keys.begin : 0};
}

/// A dense copy of a tile: wherever its rows lie, the blocks of a round read them from the cache.
template <typename Operand>
struct KeyTile {
  template <typename Number, typename T>
  KeyTile(const BandedHead<Number, T>& head, Scratch<T>& scratch)
      : key(take_rows<Operand>(scratch, kTileKeys, head.query_width)),
        value(take_rows<Operand>(scratch, kTileKeys, head.value_width)) {}

  template <typename Number, typename T>
  void read(const BandedHead<Number, T>& head, Range keys) const {
    const std::int64_t count = keys.end - keys.begin;
    copy_rows(head.key, keys.begin, count, head.query_width, key.rows);
    copy_rows(head.value, keys.begin, count, head.value_width, value.rows);
  }

  DenseRows<Operand> key, value;  // of kTileKeys
};

constexpr std::int64_t kRoundBlocks = kRoundQueries / kBlockQueries;

/// The queries of block `block` of a round.
Range block_of(Range round, std::int64_t block) {
  const std::int64_t first = round.begin + block * kBlockQueries;
  return {first, smaller(first + kBlockQueries, round.end)};
}

}  // namespace
}  // namespace sparse_transformer
