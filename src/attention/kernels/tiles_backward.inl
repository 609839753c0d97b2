// A backward round of tiles.h. The rules of registers.inl hold here.
#pragma once

#include "attention/kernels/tiles_meeting.inl"

namespace sparse_transformer {
namespace {

/// scores, to be multiplied with `scale` → softmax weights p, d_weights → p · (d_weights - delta),
/// for one register of queries. lse and delta: [kBlockQueries].
template <typename T>
void differentiate_softmax(const Meeting& meeting, std::int64_t lane, T scale, const T* lse,
                           const T* delta, T* scores, T* d_weights) {
  const Column<T> column(meeting, lane);
  scores += lane;
  d_weights += lane;
  column.hide_unseen(scores);
  const Values<T> log_sum = load(lse + lane);
  const Values<T> mean = load(delta + lane);
  for (std::int64_t key = column.range.begin; key < column.range.end; ++key) {
    T* const at = scores + key * kBlockQueries;
    T* const d_at = d_weights + key * kBlockQueries;
    const Values<T> weight = exponential<T>(load(at) * scale - log_sum);
    store(at, weight);
    store(d_at, weight * (load(d_at) - mean));
  }
  column.clear_unseen(meeting.keys, scores);
  column.clear_unseen(meeting.keys, d_weights);
}

/// The gradients of blocks of queries, and what they add to those of the keys that they see.
template <typename Number, typename Operand>
class BackwardRound {
 public:
  using T = Sum<Operand>;
  using Head = BandedHead<Number, T>;
  using HeadResult = BandedHeadResult<Number, T>;

  BackwardRound(const Head& head, const HeadResult& result, const BandedHeadGradients<T>& gradients,
                Range queries, T* memory)
      : head_(head),
        result_(result),
        gradients_(gradients),
        scratch_{memory},
        tile_(head, scratch_),
        d_tile_(head, scratch_) {
    scores_ = scratch_.take(kTileKeys * kBlockQueries);
    d_scores_ = scratch_.take(kTileKeys * kBlockQueries);
    packed_ = scratch_.template take<Operand>(kPackedWeights<Operand>);
    const auto lanes = [&](std::int64_t width) {
      return scratch_.template take<Operand>(kBlockQueries * units<Operand>(width));
    };
    for (; block_of(queries, count_).begin < queries.end; ++count_) {
      blocks_[count_] = {.queries = block_of(queries, count_),
                         .query = take_rows<Operand>(scratch_, kBlockQueries, head.query_width),
                         .query_lanes = lanes(head.query_width),
                         .d_query = scratch_.take(kBlockQueries * head.query_width),
                         .d_out = take_rows<Operand>(scratch_, kBlockQueries, head.value_width),
                         .d_out_lanes = lanes(head.value_width),
                         .lse = scratch_.take(kBlockQueries),
                         .delta = scratch_.take(kBlockQueries)};
    }
    for_each_block([this](const Block& block) { read(block); });
    for_each_tile(head, queries, [this](Range keys) { add_tile(keys); });
    for_each_block([this](const Block& block) { finish(block); });
  }

 private:
  /// Rows as they are read, lanes transposed: [units of width, kBlockQueries].
  struct Block {
    Range queries;
    DenseRows<Operand> query;
    Operand* query_lanes;
    T* d_query;  // [kBlockQueries, query_width]
    DenseRows<Operand> d_out;
    Operand* d_out_lanes;
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
    read_rows(head_.query, block, head_.query_width, block.query, block.query_lanes);
    read_rows(result_.d_out, block, width, block.d_out, block.d_out_lanes);
    for (std::int64_t i = 0; i < kBlockQueries; ++i) {
      const bool is_query = i < block.count();
      if (i + kAhead < block.count()) prefetch(result_.out, first + i + kAhead, width);
      block.lse[i] = is_query ? *row_of(result_.lse, first + i) : kInfinity<T>;
      block.delta[i] = is_query ? dot_product<T>(row_of(result_.d_out, first + i),
                                                 row_of(result_.out, first + i), width)
                                : T(0);
    }
    clear(block.d_query, block.count() * head_.query_width);
  }

  static void read_rows(HeadRows<const Number> from, const Block& block, std::int64_t width,
                        const DenseRows<Operand>& dense, Operand* lanes) {
    copy_rows(from, block.queries.begin, block.count(), width, dense.rows);
    to_lanes(dense.rows, block.count(), units<Operand>(width), lanes);
    dense.stack(block.count(), width);
  }

  /// The keys' gradients are collected in the cache first: the rows of a column of the sequence lie
  /// far apart.
  void add_tile(Range keys) const {
    const std::int64_t count = keys.end - keys.begin;
    tile_.read(head_, keys);
    tile_.key.stack(count, head_.query_width);
    clear(d_tile_.key.rows, count * head_.query_width);
    clear(d_tile_.value.rows, count * head_.value_width);
    for_each_block([&](const Block& block) { add(block, keys); });
    put(d_tile_.key.rows, keys, head_.query_width, head_.scale, gradients_.d_key);
    put(d_tile_.value.rows, keys, head_.value_width, T(1), gradients_.d_value);
  }

  void put(const T* d_rows, Range keys, std::int64_t width, T factor, HeadRows<T> to) const {
    const std::int64_t middle = larger(keys.begin, smaller(gradients_.first_new_key, keys.end));
    const std::int64_t old = middle - keys.begin;
    put_rows<Result::kAddedTo>(d_rows, old, width, factor, to, keys.begin);
    put_rows<Result::kReplaced>(d_rows + old * width, keys.end - middle, width, factor, to, middle);
  }

  void finish(const Block& block) const {
    const auto put =
        gradients_.queries_are_new ? put_rows<Result::kReplaced, T> : put_rows<Result::kAddedTo, T>;
    put(block.d_query, block.count(), head_.query_width, head_.scale, gradients_.d_query,
        block.queries.begin);
  }

  void add(const Block& block, Range keys) const {
    const Meeting meeting = meeting_of(head_, block.queries, keys);
    if (meeting.keys == 0) return;
    const std::int64_t query_width = head_.query_width;
    const std::int64_t value_width = head_.value_width;
    multiply_meeting(meeting, tile_.key.rows, block.query_lanes, units<Operand>(query_width),
                     scores_);
    multiply_meeting(meeting, tile_.value.rows, block.d_out_lanes, units<Operand>(value_width),
                     d_scores_);
    for (std::int64_t lane = 0; lane < block.count(); lane += kLanes<T>) {
      differentiate_softmax(meeting, lane, head_.scale, block.lse, block.delta, scores_, d_scores_);
    }
    add_for_keys(meeting, scores_, packed_, block.d_out, value_width, d_tile_.value.rows);
    add_for_keys(meeting, d_scores_, packed_, block.query, query_width, d_tile_.key.rows);
    add_for_queries(meeting, d_scores_, packed_, tile_.key, query_width, block.d_query);
  }

  const Head& head_;
  const HeadResult& result_;
  const BandedHeadGradients<T>& gradients_;
  Scratch<T> scratch_;
  KeyTile<Operand> tile_;
  KeyTile<T> d_tile_;
  T *scores_, *d_scores_;  // [kTileKeys, kBlockQueries]
  Operand* packed_;
  Block blocks_[kRoundBlocks];
  std::int64_t count_ = 0;
};

template <typename Number, typename Operand>
void backward_round(const BandedHead<Number, Sum<Operand>>& head,
                    const BandedHeadResult<Number, Sum<Operand>>& result,
                    const BandedHeadGradients<Sum<Operand>>& gradients, std::int64_t first,
                    std::int64_t end, Sum<Operand>* memory) {
  BackwardRound<Number, Operand>(head, result, gradients, {first, end}, memory);
}

}  // namespace
}  // namespace sparse_transformer
