// A forward round of tiles.h. The rules of registers.inl hold here.
#pragma once

#include "attention/kernels/tiles_meeting.inl"

namespace sparse_transformer {
namespace {

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

  /// scores: [keys, kBlockQueries], to be multiplied with `scale`; one register of the queries,
  /// from `lane`.
  void add(const Meeting& meeting, std::int64_t lane, T scale, T* scores) const {
    const Column<T> column(meeting, lane);
    const auto [begin, end] = column.range;
    scores += lane;
    column.hide_unseen(scores);
    const Values<T> before = load(reference + lane);
    Values<T> highest = before;
    for (std::int64_t key = begin; key < end; ++key) {
      T* const at = scores + key * kBlockQueries;
      const Values<T> score = load(at) * scale;
      store(at, score);  // rounded as the highest is: a query's only key weighs exactly 1
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

/// Blocks of queries on their way through the tiles that they see.
template <typename Number, typename Operand>
class ForwardRound {
 public:
  using T = Sum<Operand>;
  using Head = BandedHead<Number, T>;

  ForwardRound(const Head& head, const BandedHeadSum<T>& sum, Range queries, T* memory)
      : head_(head), sum_(sum), scratch_{memory}, tile_(head, scratch_) {
    scores_ = scratch_.take(kTileKeys * kBlockQueries);
    packed_ = scratch_.template take<Operand>(kPackedWeights<Operand>);
    for (; block_of(queries, count_).begin < queries.end; ++count_) {
      blocks_[count_] = {.queries = block_of(queries, count_),
                         .query_lanes = scratch_.template take<Operand>(
                             kBlockQueries * units<Operand>(head.query_width)),
                         .out = scratch_.take(kBlockQueries * head.value_width),
                         .softmax = {scratch_.take(kBlockQueries), scratch_.take(kBlockQueries),
                                     scratch_.take(kBlockQueries)}};
    }
    for_each_block([this](const Block& block) { begin(block); });
    for_each_tile(head, queries, [this](Range keys) {
      tile_.read(head_, keys);
      tile_.value.stack(keys.end - keys.begin, head_.value_width);
      for_each_block([&](const Block& block) { add(block, keys); });
    });
    for_each_block([this](const Block& block) { finish(block); });
  }

 private:
  struct Block {
    Range queries;
    Operand* query_lanes;  // [units of query_width, kBlockQueries]
    T* out;                // [kBlockQueries, value_width], not yet divided by the sum of weights
    RunningSoftmax<T> softmax;
    std::int64_t count() const { return queries.end - queries.begin; }
  };

  template <typename Visit>
  void for_each_block(const Visit& visit) const {
    for (std::int64_t i = 0; i < count_; ++i) visit(blocks_[i]);
  }

  void begin(const Block& block) const {
    static_assert(kBlockQueries <= kTileKeys);
    Operand* const rows = tile_.key.rows;  // whose place is free as yet
    const std::int64_t first = block.queries.begin;
    copy_rows(head_.query, first, block.count(), head_.query_width, rows);
    to_lanes(rows, block.count(), units<Operand>(head_.query_width), block.query_lanes);
    block.softmax.begin();
    if (!sum_.is_begun) {
      clear(block.out, block.count() * head_.value_width);
      return;
    }
    copy_rows<T>({sum_.out.data, sum_.out.stride}, first, block.count(), head_.value_width,
                 block.out);
    for (std::int64_t i = 0; i < block.count(); ++i) {
      block.softmax.go_on(i, *row_of(sum_.lse, first + i));
    }
  }

  void add(const Block& block, Range keys) const {
    const Meeting meeting = meeting_of(head_, block.queries, keys);
    if (meeting.keys == 0) return;
    const std::int64_t width = head_.value_width;
    multiply_meeting(meeting, tile_.key.rows, block.query_lanes, units<Operand>(head_.query_width),
                     scores_);
    for (std::int64_t lane = 0; lane < block.count(); lane += kLanes<T>) {
      block.softmax.add(meeting, lane, head_.scale, scores_);
    }
    for (std::int64_t i = 0; i < block.count(); ++i) {
      const T factor = block.softmax.correction[i];
      if (factor == T(1)) continue;
      for (std::int64_t c = 0; c < width; ++c) block.out[i * width + c] *= factor;
    }
    add_for_queries(meeting, scores_, packed_, tile_.value, width, block.out);
  }

  void finish(const Block& block) const {
    const std::int64_t width = head_.value_width;
    for (std::int64_t i = 0; i < block.count(); ++i) {
      const T sum = block.softmax.sum[i];
      const T factor = sum == T(0) ? T(0) : T(1) / sum;
      if (i + kAhead < block.count()) prefetch(sum_.out, block.queries.begin + i + kAhead, width);
      T* const row = row_of(sum_.out, block.queries.begin + i);
      for (std::int64_t c = 0; c < width; ++c) row[c] = factor * block.out[i * width + c];
      *row_of(sum_.lse, block.queries.begin + i) = block.softmax.lse(i);
    }
  }

  const Head& head_;
  const BandedHeadSum<T>& sum_;
  Scratch<T> scratch_;
  KeyTile<Operand> tile_;
  T* scores_;  // [kTileKeys, kBlockQueries]
  Operand* packed_;
  Block blocks_[kRoundBlocks];
  std::int64_t count_ = 0;
};

template <typename Number, typename Operand>
void forward_round(const BandedHead<Number, Sum<Operand>>& head,
                   const BandedHeadSum<Sum<Operand>>& sum, std::int64_t first, std::int64_t end,
                   Sum<Operand>* memory) {
  ForwardRound<Number, Operand>(head, sum, {first, end}, memory);
}

}  // namespace
}  // namespace sparse_transformer
