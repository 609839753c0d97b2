// What the rounds of tiles.h consist of: blocks of queries and tiles of keys, copied to where they
// lie densely, and products of those of their rows that meet. The rules of registers.inl hold here.
#pragma once

#include <cstdint>
#include <type_traits>

#include "attention/kernels/tiles.h"
#include "attention/kernels/tiles_arithmetic.inl"

namespace sparse_transformer {
namespace {

template <typename Number>
Number* row_of(HeadRows<Number> rows, std::int64_t i) {
  return rows.data + i * rows.stride;
}

/// Asks for a row that is read or written soon: rows of a column of the sequence lie so far apart
/// that the processor does not guess the next.
template <typename Number>
void prefetch(HeadRows<Number> rows, std::int64_t i, std::int64_t width) {
  constexpr std::int64_t kLine = 64 / sizeof(Number);
  constexpr int kIsWritten = std::is_const_v<Number> ? 0 : 1;
  for (std::int64_t c = 0; c < width; c += kLine) {
    __builtin_prefetch(row_of(rows, i) + c, kIsWritten);
  }
}

constexpr std::int64_t kAhead = 8;  // rows

/// to[count, width] = factor · the rows first … of `from`.
template <typename T>
void copy_rows(HeadRows<const T> from, std::int64_t first, std::int64_t count, std::int64_t width,
               T factor, T* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (i + kAhead < count) prefetch(from, first + i + kAhead, width);
    const T* row = row_of(from, first + i);
    for (std::int64_t c = 0; c < width; ++c) to[i * width + c] = factor * row[c];
  }
}

/// The rows first … of `to` = factor · from[count, width], or += .
template <Result result, typename T>
void put_rows(const T* from, std::int64_t count, std::int64_t width, T factor, HeadRows<T> to,
              std::int64_t first) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (i + kAhead < count) prefetch(to, first + i + kAhead, width);
    T* row = row_of(to, first + i);
    for (std::int64_t c = 0; c < width; ++c) {
      const T share = factor * from[i * width + c];
      row[c] = result == Result::kAddedTo ? row[c] + share : share;
    }
  }
}

/// lanes[width, kBlockQueries] = rows[count, width] transposed, zeros beyond `count` in the last
/// register.
template <typename T>
void to_lanes(const T* rows, std::int64_t count, std::int64_t width, T* lanes) {
  const std::int64_t whole = width / kLanes<T> * kLanes<T>;
  const std::int64_t end = round_up<T>(count);
  for (std::int64_t first = 0; first < end; first += kLanes<T>) {
    for (std::int64_t c = 0; c < whole; c += kLanes<T>) {
      Values<T> square[kLanes<T>];
      for (std::int64_t i = 0; i < kLanes<T>; ++i) {
        square[i] = first + i < count ? load(rows + (first + i) * width + c) : Values<T>{};
      }
      transpose<T>(square);
      for (std::int64_t i = 0; i < kLanes<T>; ++i) {
        store(lanes + (c + i) * kBlockQueries + first, square[i]);
      }
    }
  }
  for (std::int64_t c = whole; c < width; ++c) {
    for (std::int64_t i = 0; i < end; ++i) {
      lanes[c * kBlockQueries + i] = i < count ? rows[i * width + c] : T(0);
    }
  }
}

template <typename T>
T dot_product(const T* a, const T* b, std::int64_t width) {
  Values<T> sums = {};
  std::int64_t c = 0;
  for (; c + kLanes<T> <= width; c += kLanes<T>) sums += load(a + c) * load(b + c);
  T sum = sum_of<T>(sums);
  for (; c < width; ++c) sum += a[c] * b[c];
  return sum;
}

/// From `begin` up to, not including, `end`.
struct Range {
  std::int64_t begin, end;
};

/// Hands out memory.
template <typename T>
struct Scratch {
  T* next;
  T* take(std::int64_t count) {
    T* const taken = next;
    next += count;
    return taken;
  }
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
/// registers. sums: [kTileKeys, kBlockQueries].
template <typename T>
void multiply_meeting(const Meeting& meeting, const T* keys, const T* lanes, std::int64_t width,
                      T* sums) {
  for (std::int64_t key = 0; key < meeting.keys; key += kGroup) {
    const std::int64_t rows = smaller(kGroup, meeting.keys - key);
    Range range = meeting.queries_of(key, rows);
    range = {range.begin / kLanes<T> * kLanes<T>, round_up<T>(range.end)};
    multiply<T>(rows, {keys + key * width, width, 1}, {lanes + range.begin, kBlockQueries},
                {sums + key * kBlockQueries + range.begin, kBlockQueries}, range.end - range.begin,
                width, Result::kReplaced);
  }
}

/// result[query, width] += Σ over keys weights[key, query] · rows[key, width].
template <typename T>
void add_for_queries(const Meeting& meeting, const T* weights, const T* rows, std::int64_t width,
                     T* result) {
  for (std::int64_t query = 0; query < meeting.queries; query += kGroup) {
    const std::int64_t count = smaller(kGroup, meeting.queries - query);
    const Range keys = meeting.keys_of(query, count);
    multiply<T>(count, {weights + keys.begin * kBlockQueries + query, 1, kBlockQueries},
                {rows + keys.begin * width, width}, {result + query * width, width}, width,
                keys.end - keys.begin, Result::kAddedTo);
  }
}

/// result[key, width] += Σ over queries weights[key, query] · rows[query, width].
template <typename T>
void add_for_keys(const Meeting& meeting, const T* weights, const T* rows, std::int64_t width,
                  T* result) {
  for (std::int64_t key = 0; key < meeting.keys; key += kGroup) {
    const std::int64_t count = smaller(kGroup, meeting.keys - key);
    const Range queries = meeting.queries_of(key, count);
    multiply<T>(count, {weights + key * kBlockQueries + queries.begin, kBlockQueries, 1},
                {rows + queries.begin * width, width}, {result + key * width, width}, width,
                queries.end - queries.begin, Result::kAddedTo);
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
template <typename T, typename Visit>
void for_each_tile(const BandedHead<T>& head, Range queries, const Visit& visit) {
  const std::int64_t end = smaller(head.keys, queries.end + head.right);
  for (std::int64_t key = larger(0, queries.begin - head.left); key < end; key += kTileKeys) {
    visit(Range{key, smaller(key + kTileKeys, end)});
  }
}

/// Where a block of queries and a tile meet: nowhere if there are no keys then.
template <typename T>
Meeting meeting_of(const BandedHead<T>& head, Range queries, Range keys) {
  const std::int64_t end = smaller(keys.end, queries.end + head.right);
  const bool meets = larger(keys.begin, queries.begin - head.left) < end;
  return {head.left,     head.right,
          queries.begin, queries.end - queries.begin,
          keys.begin,    meets ? end - keys.begin : 0};
}

/// A dense copy of a tile: wherever its rows lie, the blocks of a round read them from the cache.
template <typename T>
struct KeyTile {
  KeyTile(const BandedHead<T>& head, Scratch<T>& scratch)
      : key(scratch.take(kTileKeys * head.query_width)),
        value(scratch.take(kTileKeys * head.value_width)) {}

  void read(const BandedHead<T>& head, Range keys) const {
    const std::int64_t count = keys.end - keys.begin;
    copy_rows(head.key, keys.begin, count, head.query_width, T(1), key);
    copy_rows(head.value, keys.begin, count, head.value_width, T(1), value);
  }

  T *key, *value;  // [kTileKeys, width]
};

constexpr std::int64_t kRoundBlocks = kRoundQueries / kBlockQueries;

/// The queries of block `block` of a round.
Range block_of(Range round, std::int64_t block) {
  const std::int64_t first = round.begin + block * kBlockQueries;
  return {first, smaller(first + kBlockQueries, round.end)};
}

}  // namespace
}  // namespace sparse_transformer
