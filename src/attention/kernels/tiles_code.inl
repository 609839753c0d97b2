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

/// result[key, width] = Σ over queries weights[key, query] · rows[query, width].
template <typename T>
void sum_for_keys(const Meeting& meeting, const T* weights, const T* rows, std::int64_t width,
                  T* result) {
  for (std::int64_t key = 0; key < meeting.keys; key += kGroup) {
    const std::int64_t count = smaller(kGroup, meeting.keys - key);
    const Range queries = meeting.queries_of(key, count);
    multiply<T>(count, {weights + key * kBlockQueries + queries.begin, kBlockQueries, 1},
                {rows + queries.begin * width, width}, {result + key * width, width}, width,
                queries.end - queries.begin, Result::kReplaced);
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

/// Scores become weights relative to the running maximum; maximum, sum and the correction of what
/// was summed before are brought up to date. All but the scores are [kBlockQueries].
template <typename T>
struct RunningSoftmax {
  T *maximum, *sum, *correction;

  void begin() const {
    for (std::int64_t i = 0; i < kBlockQueries; ++i) {
      maximum[i] = -kInfinity<T>;
      sum[i] = T(0);
    }
  }

  /// lse: of the query's keys so far, which were summed with a sum of 1.
  void go_on(std::int64_t query, T lse) const {
    maximum[query] = lse;
    sum[query] = lse == -kInfinity<T> ? T(0) : T(1);
  }

  /// scores: [keys, kBlockQueries]; one register of the queries, from `lane`.
  void add(const Meeting& meeting, std::int64_t lane, T* scores) const {
    const Column<T> column(meeting, lane);
    const auto [begin, end] = column.range;
    scores += lane;
    column.hide_unseen(scores);
    const Values<T> before = load(maximum + lane);
    Values<T> highest = before;
    for (std::int64_t key = begin; key < end; ++key) {
      const Values<T> score = load(scores + key * kBlockQueries);
      highest = score > highest ? score : highest;
    }
    // A query that has not seen a key yet: any finite number will do.
    const Values<T> base = highest == -kInfinity<T> ? Values<T>{} : highest;
    const Values<T> factor = exponential<T>(before - base);
    Values<T> total = load(sum + lane) * factor;
    for (std::int64_t key = begin; key < end; ++key) {
      T* const at = scores + key * kBlockQueries;
      const Values<T> weight = exponential<T>(load(at) - base);
      store(at, weight);
      total += weight;
    }
    column.clear_unseen(meeting.keys, scores);
    store(maximum + lane, highest);
    store(sum + lane, total);
    store(correction + lane, factor);
  }

  T lse(std::int64_t query) const {
    if (sum[query] == T(0)) return -kInfinity<T>;
    return maximum[query] + static_cast<T>(__builtin_log(double(sum[query])));
  }
};

/// The keys that a block of queries meets, tile by tile.
template <typename T, typename Visit>
void for_each_tile(const BandedHead<T>& head, std::int64_t first, std::int64_t count,
                   const Visit& visit) {
  Meeting meeting{head.left, head.right, first, count, larger(0, first - head.left), 0};
  const std::int64_t end = smaller(head.keys, first + count + head.right);
  for (; meeting.first_key < end; meeting.first_key += kTileKeys) {
    meeting.keys = smaller(kTileKeys, end - meeting.first_key);
    visit(meeting);
  }
}

template <typename T>
class ForwardBlock {
 public:
  ForwardBlock(const BandedHead<T>& head, const BandedHeadSum<T>& sum, std::int64_t first,
               std::int64_t count, T* memory)
      : head_(head), sum_(sum), first_(first), count_(count) {
    Scratch<T> scratch{memory};
    query_lanes_ = scratch.take(kBlockQueries * head.query_width);
    key_ = scratch.take(kTileKeys * head.query_width);
    value_ = scratch.take(kTileKeys * head.value_width);
    out_ = scratch.take(kBlockQueries * head.value_width);
    scores_ = scratch.take(kTileKeys * kBlockQueries);
    softmax_ = {scratch.take(kBlockQueries), scratch.take(kBlockQueries),
                scratch.take(kBlockQueries)};
  }

  void run() {
    begin();
    for_each_tile(head_, first_, count_, [this](const Meeting& meeting) { add_tile(meeting); });
    finish();
  }

 private:
  void begin() {
    static_assert(kBlockQueries <= kTileKeys);
    T* const rows = key_;  // whose place is free as yet
    copy_rows(head_.query, first_, count_, head_.query_width, head_.scale, rows);
    to_lanes(rows, count_, head_.query_width, query_lanes_);
    softmax_.begin();
    if (!sum_.is_begun) {
      clear(out_, count_ * head_.value_width);
      return;
    }
    copy_rows<T>({sum_.out.data, sum_.out.stride}, first_, count_, head_.value_width, T(1), out_);
    for (std::int64_t i = 0; i < count_; ++i) softmax_.go_on(i, *row_of(sum_.lse, first_ + i));
  }

  void add_tile(const Meeting& meeting) {
    const std::int64_t value_width = head_.value_width;
    copy_rows(head_.key, meeting.first_key, meeting.keys, head_.query_width, T(1), key_);
    copy_rows(head_.value, meeting.first_key, meeting.keys, value_width, T(1), value_);
    multiply_meeting(meeting, key_, query_lanes_, head_.query_width, scores_);
    for (std::int64_t lane = 0; lane < count_; lane += kLanes<T>) {
      softmax_.add(meeting, lane, scores_);
    }
    for (std::int64_t i = 0; i < count_; ++i) {
      const T factor = softmax_.correction[i];
      for (std::int64_t c = 0; c < value_width; ++c) out_[i * value_width + c] *= factor;
    }
    add_for_queries(meeting, scores_, value_, value_width, out_);
  }

  void finish() {
    const std::int64_t width = head_.value_width;
    for (std::int64_t i = 0; i < count_; ++i) {
      const T sum = softmax_.sum[i];
      const T factor = sum == T(0) ? T(0) : T(1) / sum;
      T* const row = row_of(sum_.out, first_ + i);
      for (std::int64_t c = 0; c < width; ++c) row[c] = factor * out_[i * width + c];
      *row_of(sum_.lse, first_ + i) = softmax_.lse(i);
    }
  }

  const BandedHead<T>& head_;
  const BandedHeadSum<T>& sum_;
  std::int64_t first_, count_;
  T* query_lanes_;   // [query_width, kBlockQueries]
  T *key_, *value_;  // one tile of keys
  T* out_;           // [count, value_width], not yet divided by the sum of weights
  T* scores_;        // [kTileKeys, kBlockQueries]
  RunningSoftmax<T> softmax_;
};

template <typename T>
void forward_block(const BandedHead<T>& head, const BandedHeadSum<T>& sum, std::int64_t first,
                   std::int64_t count, T* memory) {
  ForwardBlock<T>(head, sum, first, count, memory).run();
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

template <typename T>
class BackwardPass {
 public:
  BackwardPass(const BandedHead<T>& head, const BandedHeadResult<T>& result,
               const BandedHeadGradients<T>& gradients, T* memory)
      : head_(head), result_(result), gradients_(gradients) {
    Scratch<T> scratch{memory};
    query_ = scratch.take(kBlockQueries * head.query_width);
    query_lanes_ = scratch.take(kBlockQueries * head.query_width);
    d_query_ = scratch.take(kBlockQueries * head.query_width);
    d_out_ = scratch.take(kBlockQueries * head.value_width);
    d_out_lanes_ = scratch.take(kBlockQueries * head.value_width);
    key_ = scratch.take(kTileKeys * head.query_width);
    d_key_ = scratch.take(kTileKeys * head.query_width);
    value_ = scratch.take(kTileKeys * head.value_width);
    d_value_ = scratch.take(kTileKeys * head.value_width);
    scores_ = scratch.take(kTileKeys * kBlockQueries);
    d_scores_ = scratch.take(kTileKeys * kBlockQueries);
    lse_ = scratch.take(kBlockQueries);
    delta_ = scratch.take(kBlockQueries);
  }

  void run(std::int64_t first, std::int64_t end) {
    for (; first < end; first += kBlockQueries) block(first, smaller(kBlockQueries, end - first));
  }

 private:
  void block(std::int64_t first, std::int64_t count) {
    read_block(first, count);
    clear(d_query_, count * head_.query_width);
    for_each_tile(head_, first, count, [this](const Meeting& meeting) { tile(meeting); });
    add_rows(d_query_, count, head_.query_width, head_.scale, gradients_.d_query, first);
  }

  void read_block(std::int64_t first, std::int64_t count) {
    const std::int64_t width = head_.value_width;
    copy_rows(head_.query, first, count, head_.query_width, head_.scale, query_);
    to_lanes(query_, count, head_.query_width, query_lanes_);
    copy_rows(result_.d_out, first, count, width, T(1), d_out_);
    to_lanes(d_out_, count, width, d_out_lanes_);
    for (std::int64_t i = 0; i < kBlockQueries; ++i) {
      const bool is_query = i < count;
      lse_[i] = is_query ? *row_of(result_.lse, first + i) : kInfinity<T>;
      delta_[i] =
          is_query ? dot_product(d_out_ + i * width, row_of(result_.out, first + i), width) : T(0);
    }
  }

  void tile(const Meeting& meeting) {
    const std::int64_t query_width = head_.query_width;
    const std::int64_t value_width = head_.value_width;
    copy_rows(head_.key, meeting.first_key, meeting.keys, query_width, T(1), key_);
    copy_rows(head_.value, meeting.first_key, meeting.keys, value_width, T(1), value_);
    multiply_meeting(meeting, key_, query_lanes_, query_width, scores_);
    multiply_meeting(meeting, value_, d_out_lanes_, value_width, d_scores_);
    for (std::int64_t lane = 0; lane < meeting.queries; lane += kLanes<T>) {
      differentiate_softmax(meeting, lane, lse_, delta_, scores_, d_scores_);
    }
    // Collected here first: the rows of a column of the sequence lie so far apart that few of them
    // fit into the first level of cache together.
    sum_for_keys(meeting, scores_, d_out_, value_width, d_value_);
    sum_for_keys(meeting, d_scores_, query_, query_width, d_key_);
    add_for_queries(meeting, d_scores_, key_, query_width, d_query_);
    add_rows(d_value_, meeting.keys, value_width, T(1), gradients_.d_value, meeting.first_key);
    add_rows(d_key_, meeting.keys, query_width, T(1), gradients_.d_key, meeting.first_key);
  }

  const BandedHead<T>& head_;
  const BandedHeadResult<T>& result_;
  const BandedHeadGradients<T>& gradients_;
  // One block of queries: rows as they are read, lanes transposed.
  T *query_, *query_lanes_, *d_query_, *d_out_, *d_out_lanes_;
  T *key_, *d_key_, *value_, *d_value_;  // one tile of keys
  T *scores_, *d_scores_;                // [kTileKeys, kBlockQueries]
  T *lse_, *delta_;                      // [kBlockQueries]; delta_i = d_out_i · out_i
};

template <typename T>
void backward_head(const BandedHead<T>& head, const BandedHeadResult<T>& result,
                   const BandedHeadGradients<T>& gradients, std::int64_t first, std::int64_t end,
                   T* memory) {
  BackwardPass<T>(head, result, gradients, memory).run(first, end);
}

template <typename T>
std::int64_t scratch_size(std::int64_t query_width, std::int64_t value_width) {
  return (3 * kBlockQueries + 2 * kTileKeys) * (query_width + value_width) +
         2 * kTileKeys * kBlockQueries + 3 * kBlockQueries;
}

template <typename T>
constexpr BandedTiles<T> kTiles = {scratch_size<T>, forward_block<T>, backward_head<T>};

}  // namespace
}  // namespace sparse_transformer
