// A backward round of tiles.h. The rules of registers.inl hold here.
#pragma once

#include "attention/kernels/tiles_meeting.inl"

namespace sparse_transformer {
namespace {

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
    for_each_block([this](const Block& block) { finish(block); });
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
      if (i + kAhead < block.count()) prefetch(result_.out, first + i + kAhead, width);
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
    put(d_tile_.key, keys, head_.query_width, gradients_.d_key);
    put(d_tile_.value, keys, head_.value_width, gradients_.d_value);
  }

  void put(const T* d_rows, Range keys, std::int64_t width, HeadRows<T> to) const {
    const std::int64_t middle = larger(keys.begin, smaller(gradients_.first_new_key, keys.end));
    const std::int64_t old = middle - keys.begin;
    put_rows<Result::kAddedTo>(d_rows, old, width, T(1), to, keys.begin);
    put_rows<Result::kReplaced>(d_rows + old * width, keys.end - middle, width, T(1), to, middle);
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

}  // namespace
}  // namespace sparse_transformer
