// The code of tiles.h. The rules of registers.inl hold here.
#include <cstdint>

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
  for (std::int64_t c = 0; c < width; c += kLine) __builtin_prefetch(row_of(rows, i) + c);
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

/// The rows first … of `to` += factor · from[count, width].
template <typename T>
void add_rows(const T* from, std::int64_t count, std::int64_t width, T factor, HeadRows<T> to,
              std::int64_t first) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (i + kAhead < count) prefetch(to, first + i + kAhead, width);
    T* row = row_of(to, first + i);
    for (std::int64_t c = 0; c < width; ++c) row[c] += factor * from[i * width + c];
  }
}

/// lanes[width, kBlockQueries] = rows[count, width] transposed, zeros beyond `count`.
template <typename T>
void to_lanes(const T* rows, std::int64_t count, std::int64_t width, T* lanes) {
  const std::int64_t whole = width / kLanes<T> * kLanes<T>;
  for (std::int64_t first = 0; first < kBlockQueries; first += kLanes<T>) {
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
    for (std::int64_t i = 0; i < kBlockQueries; ++i) {
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

/// Scores become weights relative to a reference, which keeps near the maximum so far; reference,
/// sum and the correction of what was summed before are brought up to date. All but the scores are
/// [kBlockQueries].
template <typename T>
struct RunningSoftmax {
  T *reference, *sum, *correction;

  void begin() const {
    for (std::int64_t i = 0; i < kBlockQueries; ++i) {
      reference[i] = -kInfinity<T>;
      sum[i] = T(0);
    }
  }

  /// lse: of the query's keys so far, which were summed with a sum of 1.
  void go_on(std::int64_t query, T lse) const {
    reference[query] = lse;
    sum[query] = lse == -kInfinity<T> ? T(0) : T(1);
  }

  /// scores: [keys, kBlockQueries]; one register of the queries, from `lane`.
  void add(const Meeting& meeting, std::int64_t lane, T* scores) const {
    const Column<T> column(meeting, lane);
    const auto [begin, end] = column.range;
    scores += lane;
    column.hide_unseen(scores);
    const Values<T> before = load(reference + lane);
    Values<T> highest = before;
    for (std::int64_t key = begin; key < end; ++key) {
      const Values<T> score = load(scores + key * kBlockQueries);
      highest = score > highest ? score : highest;
    }
    // Weights may be somewhat above 1: that costs no digits, and most tiles then correct nothing.
    constexpr T kSlack = 8;
    const Values<T> after = highest > before + kSlack ? highest : before;
    // A query that has not seen a key yet: any finite number will do.
    const Values<T> base = after == -kInfinity<T> ? Values<T>{} : after;
    const Values<T> factor = exponential<T>(before - base);
    Values<T> total = load(sum + lane) * factor;
    for (std::int64_t key = begin; key < end; ++key) {
      T* const at = scores + key * kBlockQueries;
      const Values<T> weight = exponential<T>(load(at) - base);
      store(at, weight);
      total += weight;
    }
    column.clear_unseen(meeting.keys, scores);
    store(reference + lane, after);
    store(sum + lane, total);
    store(correction + lane, factor);
  }

  T lse(std::int64_t query) const {
    if (sum[query] == T(0)) return -kInfinity<T>;
    return reference[query] + static_cast<T>(__builtin_log(double(sum[query])));
  }
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

/// Blocks of queries on their way through the tiles that they see.
template <typename T>
class ForwardRound {
 public:
  ForwardRound(const BandedHead<T>& head, const BandedHeadSum<T>& sum, Range queries, T* memory)
      : head_(head), sum_(sum), scratch_{memory}, tile_(head, scratch_) {
    scores_ = scratch_.take(kTileKeys * kBlockQueries);
    for (; block_of(queries, count_).begin < queries.end; ++count_) {
      blocks_[count_] = {.queries = block_of(queries, count_),
                         .query_lanes = scratch_.take(kBlockQueries * head.query_width),
                         .out = scratch_.take(kBlockQueries * head.value_width),
                         .softmax = {scratch_.take(kBlockQueries), scratch_.take(kBlockQueries),
                                     scratch_.take(kBlockQueries)}};
    }
    for_each_block([this](const Block& block) { begin(block); });
    for_each_tile(head, queries, [this](Range keys) {
      tile_.read(head_, keys);
      for_each_block([&](const Block& block) { add(block, keys); });
    });
    for_each_block([this](const Block& block) { finish(block); });
  }

 private:
  struct Block {
    Range queries;
    T* query_lanes;  // [query_width, kBlockQueries]
    T* out;          // [kBlockQueries, value_width], not yet divided by the sum of weights
    RunningSoftmax<T> softmax;
    std::int64_t count() const { return queries.end - queries.begin; }
  };

  template <typename Visit>
  void for_each_block(const Visit& visit) const {
    for (std::int64_t i = 0; i < count_; ++i) visit(blocks_[i]);
  }

  void begin(const Block& block) const {
    static_assert(kBlockQueries <= kTileKeys);
    T* const rows = tile_.key;  // whose place is free as yet
    const std::int64_t first = block.queries.begin;
    copy_rows(head_.query, first, block.count(), head_.query_width, head_.scale, rows);
    to_lanes(rows, block.count(), head_.query_width, block.query_lanes);
    block.softmax.begin();
    if (!sum_.is_begun) {
      clear(block.out, block.count() * head_.value_width);
      return;
    }
    copy_rows<T>({sum_.out.data, sum_.out.stride}, first, block.count(), head_.value_width, T(1),
                 block.out);
    for (std::int64_t i = 0; i < block.count(); ++i) {
      block.softmax.go_on(i, *row_of(sum_.lse, first + i));
    }
  }

  void add(const Block& block, Range keys) const {
    const Meeting meeting = meeting_of(head_, block.queries, keys);
    if (meeting.keys == 0) return;
    const std::int64_t width = head_.value_width;
    multiply_meeting(meeting, tile_.key, block.query_lanes, head_.query_width, scores_);
    for (std::int64_t lane = 0; lane < block.count(); lane += kLanes<T>) {
      block.softmax.add(meeting, lane, scores_);
    }
    for (std::int64_t i = 0; i < block.count(); ++i) {
      const T factor = block.softmax.correction[i];
      if (factor == T(1)) continue;
      for (std::int64_t c = 0; c < width; ++c) block.out[i * width + c] *= factor;
    }
    add_for_queries(meeting, scores_, tile_.value, width, block.out);
  }

  void finish(const Block& block) const {
    const std::int64_t width = head_.value_width;
    for (std::int64_t i = 0; i < block.count(); ++i) {
      const T sum = block.softmax.sum[i];
      const T factor = sum == T(0) ? T(0) : T(1) / sum;
      T* const row = row_of(sum_.out, block.queries.begin + i);
      for (std::int64_t c = 0; c < width; ++c) row[c] = factor * block.out[i * width + c];
      *row_of(sum_.lse, block.queries.begin + i) = block.softmax.lse(i);
    }
  }

  const BandedHead<T>& head_;
  const BandedHeadSum<T>& sum_;
  Scratch<T> scratch_;
  KeyTile<T> tile_;
  T* scores_;  // [kTileKeys, kBlockQueries]
  Block blocks_[kRoundBlocks];
  std::int64_t count_ = 0;
};

template <typename T>
void forward_round(const BandedHead<T>& head, const BandedHeadSum<T>& sum, std::int64_t first,
                   std::int64_t end, T* memory) {
  ForwardRound<T>(head, sum, {first, end}, memory);
}

/// scores → softmax weights p, d_weights → p · (d_weights - delta), for one register of queries.
/// lse and delta: [kBlockQueries].
template <typename T>
void differentiate_softmax(const Meeting& meeting, std::int64_t lane, const T* lse, const T* delta,
                           T* scores, T* d_weights) {
  const Column<T> column(meeting, lane);
  scores += lane;
  d_weights += lane;
  column.hide_unseen(scores);
  const Values<T> log_sum = load(lse + lane);
  const Values<T> mean = load(delta + lane);
  for (std::int64_t key = column.range.begin; key < column.range.end; ++key) {
    T* const at = scores + key * kBlockQueries;
    T* const d_at = d_weights + key * kBlockQueries;
    const Values<T> weight = exponential<T>(load(at) - log_sum);
    store(at, weight);
    store(d_at, weight * (load(d_at) - mean));
  }
  column.clear_unseen(meeting.keys, scores);
  column.clear_unseen(meeting.keys, d_weights);
}

/// The gradients of blocks of queries, and what they add to those of the keys that they see.
template <typename T>
class BackwardRound {
 public:
  BackwardRound(const BandedHead<T>& head, const BandedHeadResult<T>& result,
                const BandedHeadGradients<T>& gradients, Range queries, T* memory)
      : head_(head),
        result_(result),
        gradients_(gradients),
        scratch_{memory},
        tile_(head, scratch_),
        d_tile_(head, scratch_) {
    scores_ = scratch_.take(kTileKeys * kBlockQueries);
    d_scores_ = scratch_.take(kTileKeys * kBlockQueries);
    for (; block_of(queries, count_).begin < queries.end; ++count_) {
      blocks_[count_] = {.queries = block_of(queries, count_),
                         .query = scratch_.take(kBlockQueries * head.query_width),
                         .query_lanes = scratch_.take(kBlockQueries * head.query_width),
                         .d_query = scratch_.take(kBlockQueries * head.query_width),
                         .d_out = scratch_.take(kBlockQueries * head.value_width),
                         .d_out_lanes = scratch_.take(kBlockQueries * head.value_width),
                         .lse = scratch_.take(kBlockQueries),
                         .delta = scratch_.take(kBlockQueries)};
    }
    for_each_block([this](const Block& block) { read(block); });
    for_each_tile(head, queries, [this](Range keys) { add_tile(keys); });
    for_each_block([this](const Block& block) {
      add_rows(block.d_query, block.count(), head_.query_width, head_.scale, gradients_.d_query,
               block.queries.begin);
    });
  }

 private:
  /// Rows as they are read, lanes transposed.
  struct Block {
    Range queries;
    T *query, *query_lanes, *d_query, *d_out, *d_out_lanes;
    T *lse, *delta;  // [kBlockQueries]; delta_i = d_out_i · out_i
    std::int64_t count() const { return queries.end - queries.begin; }
  };

  template <typename Visit>
  void for_each_block(const Visit& visit) const {
    for (std::int64_t i = 0; i < count_; ++i) visit(blocks_[i]);
  }

  void read(const Block& block) const {
    const std::int64_t first = block.queries.begin;
    const std::int64_t width = head_.value_width;
    copy_rows(head_.query, first, block.count(), head_.query_width, head_.scale, block.query);
    to_lanes(block.query, block.count(), head_.query_width, block.query_lanes);
    copy_rows(result_.d_out, first, block.count(), width, T(1), block.d_out);
    to_lanes(block.d_out, block.count(), width, block.d_out_lanes);
    for (std::int64_t i = 0; i < kBlockQueries; ++i) {
      const bool is_query = i < block.count();
      block.lse[i] = is_query ? *row_of(result_.lse, first + i) : kInfinity<T>;
      block.delta[i] =
          is_query ? dot_product(block.d_out + i * width, row_of(result_.out, first + i), width)
                   : T(0);
    }
    clear(block.d_query, block.count() * head_.query_width);
  }

  /// The keys' gradients are collected in the cache first: the rows of a column of the sequence lie
  /// far apart.
  void add_tile(Range keys) const {
    const std::int64_t count = keys.end - keys.begin;
    tile_.read(head_, keys);
    clear(d_tile_.key, count * head_.query_width);
    clear(d_tile_.value, count * head_.value_width);
    for_each_block([&](const Block& block) { add(block, keys); });
    add_rows(d_tile_.key, count, head_.query_width, T(1), gradients_.d_key, keys.begin);
    add_rows(d_tile_.value, count, head_.value_width, T(1), gradients_.d_value, keys.begin);
  }

  void add(const Block& block, Range keys) const {
    const Meeting meeting = meeting_of(head_, block.queries, keys);
    if (meeting.keys == 0) return;
    const std::int64_t query_width = head_.query_width;
    const std::int64_t value_width = head_.value_width;
    multiply_meeting(meeting, tile_.key, block.query_lanes, query_width, scores_);
    multiply_meeting(meeting, tile_.value, block.d_out_lanes, value_width, d_scores_);
    for (std::int64_t lane = 0; lane < block.count(); lane += kLanes<T>) {
      differentiate_softmax(meeting, lane, block.lse, block.delta, scores_, d_scores_);
    }
    add_for_keys(meeting, scores_, block.d_out, value_width, d_tile_.value);
    add_for_keys(meeting, d_scores_, block.query, query_width, d_tile_.key);
    add_for_queries(meeting, d_scores_, tile_.key, query_width, block.d_query);
  }

  const BandedHead<T>& head_;
  const BandedHeadResult<T>& result_;
  const BandedHeadGradients<T>& gradients_;
  Scratch<T> scratch_;
  KeyTile<T> tile_, d_tile_;
  T *scores_, *d_scores_;  // [kTileKeys, kBlockQueries]
  Block blocks_[kRoundBlocks];
  std::int64_t count_ = 0;
};

template <typename T>
void backward_round(const BandedHead<T>& head, const BandedHeadResult<T>& result,
                    const BandedHeadGradients<T>& gradients, std::int64_t first, std::int64_t end,
                    T* memory) {
  BackwardRound<T>(head, result, gradients, {first, end}, memory);
}

/// Of the backward pass, which needs more than the forward pass.
template <typename T>
std::int64_t scratch_size(std::int64_t query_width, std::int64_t value_width) {
  return kRoundQueries * (3 * query_width + 2 * value_width + 2) +
         2 * kTileKeys * (query_width + value_width + kBlockQueries);
}

template <typename T>
constexpr BandedTiles<T> kTiles = {scratch_size<T>, forward_round<T>, backward_round<T>};

}  // namespace
}  // namespace sparse_transformer
