// The code of tiles.h. The including file defines SPARSE_TRANSFORMER_VECTOR_BYTES and is compiled
// for processors with such registers. Nothing here may be shared with other files: the linker could
// then take this instruction set's copy for all. So there is no function of the standard library,
// and everything is in an unnamed namespace.
#include <cstdint>

#include "attention/kernels/tiles.h"
#include "attention/kernels/tiles_arithmetic.inl"

namespace sparse_transformer {
namespace {

/// to[count, width] = factor · the rows first … of `from`.
template <typename T>
void copy_rows(HeadRows<T> from, std::int64_t first, std::int64_t count, std::int64_t width,
               T factor, T* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T* row = from.data + (first + i) * from.stride;
    for (std::int64_t c = 0; c < width; ++c) to[i * width + c] = factor * row[c];
  }
}

/// lanes[width, kBlockQueries] = rows[count, width] transposed, zeros beyond `count`.
template <typename T>
void to_lanes(const T* rows, std::int64_t count, std::int64_t width, T* lanes) {
  for (std::int64_t c = 0; c < width; ++c) {
    for (std::int64_t i = 0; i < count; ++i) lanes[c * kBlockQueries + i] = rows[i * width + c];
    for (std::int64_t i = count; i < kBlockQueries; ++i) lanes[c * kBlockQueries + i] = T(0);
  }
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

/// sums[key, query] += keys[key, width] · lanes[width, query] for all pairs that meet, to whole
/// registers. sums: [kTileKeys, kBlockQueries].
template <typename T>
void multiply_meeting(const Meeting& meeting, const T* keys, const T* lanes, std::int64_t width,
                      T* sums) {
  clear(sums, meeting.keys * kBlockQueries);
  for (std::int64_t key = 0; key < meeting.keys; key += kGroup) {
    const std::int64_t rows = smaller(kGroup, meeting.keys - key);
    Range range = meeting.queries_of(key, rows);
    range = {range.begin / kLanes<T> * kLanes<T>, round_up<T>(range.end)};
    multiply_add<T>(rows, {keys + key * width, width, 1}, {lanes + range.begin, kBlockQueries},
                    {sums + key * kBlockQueries + range.begin, kBlockQueries},
                    range.end - range.begin, width);
  }
}

/// result[query, width] += Σ over keys weights[key, query] · rows[key, width].
template <typename T>
void add_for_queries(const Meeting& meeting, const T* weights, const T* rows, std::int64_t width,
                     T* result) {
  for (std::int64_t query = 0; query < meeting.queries; query += kGroup) {
    const std::int64_t count = smaller(kGroup, meeting.queries - query);
    const Range keys = meeting.keys_of(query, count);
    multiply_add<T>(count, {weights + keys.begin * kBlockQueries + query, 1, kBlockQueries},
                    {rows + keys.begin * width, width}, {result + query * width, width}, width,
                    keys.end - keys.begin);
  }
}

/// result[key, width] += Σ over queries weights[key, query] · rows[query, width].
template <typename T>
void add_for_keys(const Meeting& meeting, const T* weights, const T* rows, std::int64_t width,
                  T* result) {
  for (std::int64_t key = 0; key < meeting.keys; key += kGroup) {
    const std::int64_t count = smaller(kGroup, meeting.keys - key);
    const Range queries = meeting.queries_of(key, count);
    multiply_add<T>(count, {weights + key * kBlockQueries + queries.begin, kBlockQueries, 1},
                    {rows + queries.begin * width, width}, {result + key * width, width}, width,
                    queries.end - queries.begin);
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

  /// `score` where the query sees the key, `otherwise` elsewhere.
  Values<T> seen(std::int64_t key, Values<T> score, T otherwise) const {
    if (key >= whole_.begin && key < whole_.end) return score;
    const auto j = static_cast<Register<T>::Integer>(key);
    const Values<T> hidden = Values<T>{} + otherwise;
    return ((first_ <= j) & (last_ >= j)) ? score : hidden;
  }

  /// Zeros for the keys that none of the queries sees. weights: the register's place at key 0.
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

  void start() const {
    for (std::int64_t i = 0; i < kBlockQueries; ++i) {
      maximum[i] = -kInfinity<T>;
      sum[i] = T(0);
    }
  }

  /// scores: [keys, kBlockQueries]; one register of the queries, from `lane`.
  void add(const Meeting& meeting, std::int64_t lane, T* scores) const {
    const Column<T> column(meeting, lane);
    scores += lane;
    Values<T> highest = load(maximum + lane);
    const Values<T> before = highest;
    for (std::int64_t key = column.range.begin; key < column.range.end; ++key) {
      T* const at = scores + key * kBlockQueries;
      const Values<T> score = column.seen(key, load(at), -kInfinity<T>);
      store(at, score);
      highest = score > highest ? score : highest;
    }
    // A query that has not seen a key yet: any finite number will do.
    const Values<T> base = highest == -kInfinity<T> ? Values<T>{} : highest;
    const Values<T> factor = exponential<T>(before - base);
    Values<T> total = load(sum + lane) * factor;
    for (std::int64_t key = column.range.begin; key < column.range.end; ++key) {
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
};

template <typename T>
void forward_block(const BandedHead<T>& head, std::int64_t first, std::int64_t count, T* out,
                   T* lse, T* memory) {
  const std::int64_t query_width = head.query_width;
  const std::int64_t value_width = head.value_width;
  Scratch<T> scratch{memory};
  T* const rows = scratch.take(kBlockQueries * query_width);
  T* const lanes = scratch.take(kBlockQueries * query_width);
  T* const key = scratch.take(kTileKeys * query_width);
  T* const value = scratch.take(kTileKeys * value_width);
  T* const scores = scratch.take(kTileKeys * kBlockQueries);
  const RunningSoftmax<T> softmax{scratch.take(kBlockQueries), scratch.take(kBlockQueries),
                                  scratch.take(kBlockQueries)};
  copy_rows(head.query, first, count, query_width, head.scale, rows);
  to_lanes(rows, count, query_width, lanes);
  clear(out, count * value_width);
  softmax.start();

  Meeting meeting{head.left, head.right, first, count, larger(0, first - head.left), 0};
  const std::int64_t end = smaller(head.keys, first + count + head.right);
  for (; meeting.first_key < end; meeting.first_key += kTileKeys) {
    meeting.keys = smaller(kTileKeys, end - meeting.first_key);
    copy_rows(head.key, meeting.first_key, meeting.keys, query_width, T(1), key);
    copy_rows(head.value, meeting.first_key, meeting.keys, value_width, T(1), value);
    multiply_meeting(meeting, key, lanes, query_width, scores);
    for (std::int64_t lane = 0; lane < count; lane += kLanes<T>) softmax.add(meeting, lane, scores);
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t c = 0; c < value_width; ++c)
        out[i * value_width + c] *= softmax.correction[i];
    }
    add_for_queries(meeting, scores, value, value_width, out);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const T sum = softmax.sum[i];
    const T factor = sum > T(0) ? T(1) / sum : T(0);
    for (std::int64_t c = 0; c < value_width; ++c) out[i * value_width + c] *= factor;
    lse[i] = sum > T(0) ? softmax.maximum[i] + T(__builtin_log(double(sum))) : -kInfinity<T>;
  }
}

/// scores → softmax weights p, d_weights → p · (d_weights - delta), for one register of queries.
/// lse and delta: [kBlockQueries].
template <typename T>
void differentiate_softmax(const Meeting& meeting, std::int64_t lane, const T* lse, const T* delta,
                           T* scores, T* d_weights) {
  const Column<T> column(meeting, lane);
  scores += lane;
  d_weights += lane;
  const Values<T> log_sum = load(lse + lane);
  const Values<T> mean = load(delta + lane);
  for (std::int64_t key = column.range.begin; key < column.range.end; ++key) {
    T* const at = scores + key * kBlockQueries;
    T* const d_at = d_weights + key * kBlockQueries;
    const Values<T> weight = column.seen(key, exponential<T>(load(at) - log_sum), T(0));
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
    d_out_ = scratch.take(kBlockQueries * head.value_width);
    d_out_lanes_ = scratch.take(kBlockQueries * head.value_width);
    key_ = scratch.take(kTileKeys * head.query_width);
    value_ = scratch.take(kTileKeys * head.value_width);
    scores_ = scratch.take(kTileKeys * kBlockQueries);
    d_scores_ = scratch.take(kTileKeys * kBlockQueries);
    lse_ = scratch.take(kBlockQueries);
    delta_ = scratch.take(kBlockQueries);
  }

  void run() {
    for (std::int64_t first = 0; first < head_.queries; first += kBlockQueries) {
      block(first, smaller(kBlockQueries, head_.queries - first));
    }
  }

 private:
  void block(std::int64_t first, std::int64_t count) {
    read_block(first, count);
    T* const d_query = gradients_.d_query + first * head_.query_width;
    clear(d_query, count * head_.query_width);
    Meeting meeting{head_.left, head_.right, first, count, larger(0, first - head_.left), 0};
    const std::int64_t end = smaller(head_.keys, first + count + head_.right);
    for (; meeting.first_key < end; meeting.first_key += kTileKeys) {
      meeting.keys = smaller(kTileKeys, end - meeting.first_key);
      tile(meeting, d_query);
    }
    for (std::int64_t c = 0; c < count * head_.query_width; ++c) d_query[c] *= head_.scale;
  }

  void read_block(std::int64_t first, std::int64_t count) {
    const std::int64_t width = head_.value_width;
    copy_rows(head_.query, first, count, head_.query_width, head_.scale, query_);
    to_lanes(query_, count, head_.query_width, query_lanes_);
    copy_rows(result_.d_out, first, count, width, T(1), d_out_);
    to_lanes(d_out_, count, width, d_out_lanes_);
    for (std::int64_t i = 0; i < kBlockQueries; ++i) {
      lse_[i] = i < count ? result_.lse.data[(first + i) * result_.lse.stride] : kInfinity<T>;
      delta_[i] = T(0);
      if (i >= count) continue;
      const T* out = result_.out.data + (first + i) * result_.out.stride;
      for (std::int64_t c = 0; c < width; ++c) delta_[i] += d_out_[i * width + c] * out[c];
    }
  }

  void tile(const Meeting& meeting, T* d_query) {
    const std::int64_t query_width = head_.query_width;
    const std::int64_t value_width = head_.value_width;
    copy_rows(head_.key, meeting.first_key, meeting.keys, query_width, T(1), key_);
    copy_rows(head_.value, meeting.first_key, meeting.keys, value_width, T(1), value_);
    multiply_meeting(meeting, key_, query_lanes_, query_width, scores_);
    multiply_meeting(meeting, value_, d_out_lanes_, value_width, d_scores_);
    for (std::int64_t lane = 0; lane < meeting.queries; lane += kLanes<T>) {
      differentiate_softmax(meeting, lane, lse_, delta_, scores_, d_scores_);
    }
    add_for_keys(meeting, scores_, d_out_, value_width,
                 gradients_.d_value + meeting.first_key * value_width);
    add_for_keys(meeting, d_scores_, query_, query_width,
                 gradients_.d_key + meeting.first_key * query_width);
    add_for_queries(meeting, d_scores_, key_, query_width, d_query);
  }

  const BandedHead<T>& head_;
  const BandedHeadResult<T>& result_;
  const BandedHeadGradients<T>& gradients_;
  // One block of queries: rows as they are read, lanes transposed.
  T *query_, *query_lanes_, *d_out_, *d_out_lanes_;
  T *key_, *value_;        // one tile of keys
  T *scores_, *d_scores_;  // [kTileKeys, kBlockQueries]
  T *lse_, *delta_;        // [kBlockQueries]; delta_i = d_out_i · out_i
};

template <typename T>
void backward_head(const BandedHead<T>& head, const BandedHeadResult<T>& result,
                   const BandedHeadGradients<T>& gradients, T* memory) {
  BackwardPass<T>(head, result, gradients, memory).run();
}

template <typename T>
std::int64_t scratch_size(std::int64_t query_width, std::int64_t value_width) {
  return (2 * kBlockQueries + kTileKeys) * (query_width + value_width) +
         2 * kTileKeys * kBlockQueries + 3 * kBlockQueries;
}

template <typename T>
constexpr BandedTiles<T> kTiles = {scratch_size<T>, forward_block<T>, backward_head<T>};

}  // namespace
}  // namespace sparse_transformer
