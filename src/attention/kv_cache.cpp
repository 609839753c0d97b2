#include "attention/kv_cache.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "attention/kernels/token_fused.h"

namespace sparse_transformer {
namespace {

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Of the bands without a bound on their look-back, the rows of a column that are ever asked for.
std::int64_t rows_of_column(const Band& band, std::int64_t length) {
  const std::int64_t positions = std::max<std::int64_t>(0, length - band.view.origin);
  return std::min(band.keys, divide_up(positions, band.view.inner));
}

/// Groups of a shared list that some head sees from the last position.
std::int64_t groups_kept(const Shared& shared, const GroupShape& shape) {
  std::int64_t most = 0;
  for (std::int64_t head = 0; head < std::min(shared.blocks, shape.heads); ++head) {
    most = std::max(most, shared.groups(shape.length - 1, shape.first_head + head));
  }
  return most;
}

/// What the newest position of each head attends to.
struct SeenRows {
  at::Tensor rows;         // [batch, heads, count, row_width]
  at::Tensor hidden = {};  // bool [heads, 1, count]: seen by other heads only; undefined: none
};

/// Of the runs of each head, one that begins where all do and is as long as the longest; nothing if
/// they differ in more than their length.
std::optional<RowRun> common_run(const std::vector<std::vector<RowRun>>& heads) {
  RowRun common = {0, 1, 0};
  for (const std::vector<RowRun>& runs : heads) {
    if (runs.size() > 1) return std::nullopt;
    if (runs.empty()) continue;
    if (common.count == 0) common = runs[0];
    if (runs[0].first != common.first || runs[0].step != common.step) return std::nullopt;
    common.count = std::max(common.count, runs[0].count);
  }
  return common;
}

/// The rows of heads of which each sees its own, copied.
SeenRows gathered(const at::Tensor& store, const std::vector<std::vector<RowRun>>& heads) {
  const auto count_of = [](const std::vector<RowRun>& runs) {
    std::int64_t count = 0;
    for (const RowRun& run : runs) count += run.count;
    return count;
  };
  std::int64_t most = 0;
  for (const std::vector<RowRun>& runs : heads) most = std::max(most, count_of(runs));
  const at::Tensor places = at::zeros({std::ssize(heads), most}, at::kLong);
  const at::Tensor hidden = at::ones({std::ssize(heads), 1, most}, at::kBool);
  for (std::size_t head = 0; head < heads.size(); ++head) {
    std::int64_t entry = static_cast<std::int64_t>(head) * most;
    for (const RowRun& run : heads[head]) {
      for (std::int64_t i = 0; i < run.count; ++i) {
        places.data_ptr<std::int64_t>()[entry] = run.first + i * run.step;
        hidden.data_ptr<bool>()[entry++] = false;
      }
    }
  }
  const at::Tensor index = places.to(store.device()).unsqueeze(0).unsqueeze(3);
  return {store.gather(2, index.expand({store.size(0), -1, -1, store.size(3)})),
          hidden.to(store.device())};
}

/// Without a copy where all heads see the same rows, or a beginning of them.
SeenRows seen_rows(const at::Tensor& store, const std::vector<std::vector<RowRun>>& heads) {
  const std::optional<RowRun> common = common_run(heads);
  if (!common) return gathered(store, heads);
  if (common->count == 0) return {store.narrow(2, 0, 0)};
  const std::int64_t end = common->first + (common->count - 1) * common->step + 1;
  SeenRows seen{store.slice(2, common->first, end, common->step)};
  const at::Tensor hidden = at::zeros({std::ssize(heads), 1, common->count}, at::kBool);
  bool is_any_hidden = false;
  for (std::size_t head = 0; head < heads.size(); ++head) {
    const std::int64_t count = heads[head].empty() ? 0 : heads[head][0].count;
    is_any_hidden = is_any_hidden || count < common->count;
    hidden[static_cast<std::int64_t>(head)].narrow(1, count, common->count - count).fill_(true);
  }
  if (is_any_hidden) seen.hidden = hidden.to(store.device());
  return seen;
}

}  // namespace

void RowStore::take(const at::TensorOptions& options) {
  if (store_.defined()) return;
  store_ = at::zeros({shape_.batch, shape_.heads, capacity_, shape_.row_width}, options);
}

void RecentRows::make_room(std::int64_t count, const at::TensorOptions& options) {
  store_.take(options);
  if (used_ + count > store_.capacity()) {
    // The rows to keep lie behind the first `most_`, so they do not overlap their new place.
    const std::int64_t kept = most_ - count;
    store_.tensor().narrow(2, 0, kept).copy_(store_.tensor().narrow(2, used_ - kept, kept));
    used_ = kept;
  }
  used_ += count;
}

void RecentRows::append(const at::Tensor& rows) {
  const std::int64_t count = std::min(rows.size(2), most_);
  make_room(count, rows.options());
  store_.tensor()
      .narrow(2, used_ - count, count)
      .copy_(rows.narrow(2, rows.size(2) - count, count));
}

WindowCache::WindowCache(const Band& band, const GroupShape& shape)
    : band_(band), recent_(std::min(look_back(band).value(), shape.length - 1), shape) {}

std::optional<std::int64_t> WindowCache::place(std::int64_t /*t*/, std::int64_t /*head*/) const {
  return recent_.place(0);
}

void WindowCache::add_runs(std::int64_t t, std::int64_t /*head*/, std::vector<RowRun>& runs) const {
  const KeyGrid grid = keys(band_, t);
  if (grid.rows > 0) runs.push_back({recent_.place(t - grid.first), grid.step, grid.rows});
}

ColumnCache::ColumnCache(const Band& band, const GroupShape& shape)
    : band_(band),
      rows_(rows_of_column(band, shape.length)),
      store_(shape, band.view.inner * rows_) {}

void ColumnCache::append(const at::Tensor& rows, std::int64_t first) {
  store_.take(rows.options());
  // Positions of the same column are copied together.
  const std::int64_t inner = band_.view.inner;
  const std::int64_t begin = std::max<std::int64_t>(0, band_.view.origin - first);
  for (std::int64_t i = begin; i < std::min(rows.size(2), begin + inner); ++i) {
    const std::optional<std::int64_t> to = place(first + i, 0);
    if (!to) continue;
    const std::int64_t copied = std::min(divide_up(rows.size(2) - i, inner), rows_ - *to % rows_);
    store_.tensor()
        .narrow(2, *to, copied)
        .copy_(rows.slice(2, i, i + (copied - 1) * inner + 1, inner));
  }
}

std::optional<std::int64_t> ColumnCache::place(std::int64_t t, std::int64_t /*head*/) const {
  const std::int64_t since = t - band_.view.origin;
  const std::int64_t row = since / band_.view.inner;
  if (since < 0 || row >= rows_) return std::nullopt;
  return since % band_.view.inner * rows_ + row;
}

void ColumnCache::add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const {
  const KeyGrid grid = keys(band_, t);
  if (grid.rows > 0) runs.push_back({place(grid.first, head).value(), 1, grid.rows});
}

SharedCache::SharedCache(const Shared& shared, const GroupShape& shape)
    : shared_(shared), shape_(shape), store_(shape, groups_kept(shared, shape) * shared.width) {}

void SharedCache::append(const at::Tensor& rows, std::int64_t first) {
  store_.take(rows.options());
  // Positions of the same column, a period apart, go to the same heads and are copied together.
  const std::int64_t period = shared_.period;
  const std::int64_t sets = std::min(shared_.blocks, shape_.heads);
  const std::int64_t begin = std::max<std::int64_t>(0, shared_.origin - first);
  for (std::int64_t i = begin; i < std::min(rows.size(2), begin + period); ++i) {
    for (std::int64_t set = 0; set < sets; ++set) {
      const std::optional<std::int64_t> kept = place(first + i, set);
      if (!kept) continue;
      const std::int64_t to = *kept;
      const std::int64_t copied = std::min(divide_up(rows.size(2) - i, period),
                                           divide_up(store_.capacity() - to, shared_.width));
      store_.tensor()
          .slice(1, set, shape_.heads, sets)
          .slice(2, to, to + (copied - 1) * shared_.width + 1, shared_.width)
          .copy_(rows.slice(1, set, shape_.heads, sets)
                     .slice(2, i, i + (copied - 1) * period + 1, period));
    }
  }
}

std::optional<std::int64_t> SharedCache::place(std::int64_t t, std::int64_t head) const {
  const std::int64_t since = t - shared_.origin;
  if (since < 0) return std::nullopt;
  const std::int64_t offset =
      since % shared_.period - shared_.first_column(shape_.first_head + head);
  const std::int64_t column = offset / shared_.width_step;
  if (offset < 0 || offset % shared_.width_step != 0 || column >= shared_.width) {
    return std::nullopt;
  }
  const std::int64_t row = since / shared_.period * shared_.width + column;
  return row < store_.capacity() ? std::optional(row) : std::nullopt;
}

void SharedCache::add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const {
  const std::int64_t seen = shared_.groups(t, shape_.first_head + head) * shared_.width;
  if (seen > 0) runs.push_back({0, 1, seen});
}

BlocksCache::BlocksCache(const Blocks& blocks, const GroupShape& shape)
    : blocks_(blocks),
      first_head_(shape.first_head),
      recent_(std::min(blocks.table->look_back(), shape.length - 1), shape) {}

std::optional<std::int64_t> BlocksCache::place(std::int64_t /*t*/, std::int64_t /*head*/) const {
  return recent_.place(0);
}

void BlocksCache::add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const {
  for (const KeyGrid& grid : keys(blocks_, t, first_head_ + head)) {
    runs.push_back({recent_.place(t - grid.first), grid.step, grid.rows});
  }
}

KeyValueCache::KeyValueCache(const std::vector<LayerPattern>& layers, const CacheShape& shape,
                             const HeadShape& head, Kernels kernels)
    : shape_(shape), head_(head), kernels_(kernels) {
  for (const LayerPattern& layer : layers) {
    LayerCache& layer_cache = layers_.emplace_back();
    for (const HeadGroup& group : layer.groups) {
      GroupCache& cache = layer_cache.groups.emplace_back(
          GroupCache{.first_head = group.first_head, .heads = group.heads, .pieces = {}});
      const GroupShape group_shape = {.batch = shape.batch,
                                      .length = shape.length,
                                      .first_head = group.first_head,
                                      .heads = group.heads,
                                      .row_width = head.query_width + head.value_width};
      for (const Piece& piece : group.pieces) {
        cache.pieces.push_back(make_piece(piece, group_shape));
      }
    }
  }
}

KeyValueCache::PieceCache KeyValueCache::make_piece(const Piece& piece, const GroupShape& shape) {
  if (const auto* shared = std::get_if<Shared>(&piece)) return SharedCache(*shared, shape);
  if (const auto* blocks = std::get_if<Blocks>(&piece)) return BlocksCache(*blocks, shape);
  const auto& band = std::get<Band>(piece);
  if (look_back(band) && band.keys == kUnbounded) return WindowCache(band, shape);
  return ColumnCache(band, shape);
}

void KeyValueCache::check_room(const LayerCache& cache, std::int64_t positions) const {
  if (cache.positions + positions <= shape_.length) return;
  throw std::logic_error("KeyValueCache: " + std::to_string(positions) + " positions after " +
                         std::to_string(cache.positions) + " are more than its " +
                         std::to_string(shape_.length));
}

void KeyValueCache::append(std::int64_t layer, const at::Tensor& packed) {
  LayerCache& cache = layers_.at(static_cast<std::size_t>(layer));
  check_room(cache, packed.size(1));
  const at::Tensor rows =
      packed.narrow(3, head_.query_width, head_.query_width + head_.value_width).transpose(1, 2);
  for (GroupCache& group : cache.groups) {
    const at::Tensor group_rows = rows.narrow(1, group.first_head, group.heads);
    for (PieceCache& piece : group.pieces) {
      std::visit([&](auto& kept) { kept.append(group_rows, cache.positions); }, piece);
    }
  }
  cache.positions += packed.size(1);
}

at::Tensor KeyValueCache::attend(std::int64_t layer, const at::Tensor& packed) {
  LayerCache& cache = layers_.at(static_cast<std::size_t>(layer));
  if (kernels_ == Kernels::kFused && packed.is_cpu()) {
    if (packed.scalar_type() == at::kFloat) return attend_fused<float>(cache, packed);
    if (packed.scalar_type() == at::kDouble) return attend_fused<double>(cache, packed);
  }
  append(layer, packed);
  const at::Tensor queries = packed.narrow(3, 0, head_.query_width).transpose(1, 2);
  std::vector<at::Tensor> out;
  for (const GroupCache& group : cache.groups) {
    const at::Tensor query = queries.narrow(1, group.first_head, group.heads);
    out.push_back(attend_plain(group, query, cache.positions - 1));
  }
  return at::cat(out, 1).transpose(1, 2);
}

/// query: [batch, heads, 1, query_width]. One softmax runs over the keys of all pieces, so that
/// nothing has to be merged. Half precision is left for float32: q·k may overflow float16 (paper
/// §5.6).
at::Tensor KeyValueCache::attend_plain(const GroupCache& group, const at::Tensor& query,
                                       std::int64_t t) const {
  const auto type = query.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor wide_query = query.to(type);
  std::vector<SeenRows> seen;
  std::vector<at::Tensor> scores;
  for (const PieceCache& piece : group.pieces) {
    std::vector<std::vector<RowRun>> runs(static_cast<std::size_t>(group.heads));
    SeenRows its = std::visit(
        [&](const auto& kept) {
          for (std::int64_t head = 0; head < group.heads; ++head) {
            kept.add_runs(t, head, runs[static_cast<std::size_t>(head)]);
          }
          return seen_rows(kept.store().tensor(), runs);
        },
        piece);
    if (its.rows.size(2) == 0) continue;
    its.rows = its.rows.to(type);
    const at::Tensor key = its.rows.narrow(3, 0, head_.query_width);
    scores.push_back(at::matmul(wide_query, key.transpose(2, 3)));
    if (its.hidden.defined()) {
      scores.back().masked_fill_(its.hidden, -std::numeric_limits<double>::infinity());
    }
    seen.push_back(std::move(its));
  }
  at::Tensor out =
      at::zeros({query.size(0), query.size(1), 1, head_.value_width}, wide_query.options());
  if (scores.empty()) return out.to(query.scalar_type());
  const at::Tensor weights = (at::cat(scores, 3) * head_.scale).softmax(3);
  std::int64_t first = 0;
  for (const SeenRows& its : seen) {
    const at::Tensor share = weights.narrow(3, first, its.rows.size(2));
    // Of a head without any key the softmax is no number.
    if (its.hidden.defined()) share.masked_fill_(its.hidden, 0.0);
    out += at::matmul(share, its.rows.narrow(3, head_.query_width, head_.value_width));
    first += its.rows.size(2);
  }
  return out.to(query.scalar_type());
}

template <typename T>
std::vector<KeyValueCache::HeadWork<T>> KeyValueCache::plan(
    LayerCache& cache, const at::TensorOptions& options) const {
  const std::int64_t row_width = head_.query_width + head_.value_width;
  std::vector<HeadWork<T>> heads;
  std::vector<RowRun> runs;
  for (GroupCache& group : cache.groups) {
    heads.resize(heads.size() + static_cast<std::size_t>(group.heads));
    const auto add = [&](auto& kept) {
      kept.make_room(options);
      const at::Tensor& store = kept.store().tensor();
      for (std::int64_t head = 0; head < group.heads; ++head) {
        HeadWork<T>& work = heads[static_cast<std::size_t>(group.first_head + head)];
        T* const rows = store.data_ptr<T>() + head * store.stride(1);
        const std::optional<std::int64_t> place = kept.place(cache.positions, head);
        if (place) work.kept.push_back({rows + *place * row_width, store.stride(0)});
        runs.clear();
        kept.add_runs(cache.positions, head, runs);
        for (const RowRun& run : runs) {
          work.seen.push_back({.rows = rows + run.first * row_width,
                               .count = run.count,
                               .stride = run.step * row_width,
                               .sequence_stride = store.stride(0)});
        }
      }
    };
    for (PieceCache& piece : group.pieces) std::visit(add, piece);
  }
  return heads;
}

template <typename T>
at::Tensor KeyValueCache::attend_fused(LayerCache& cache, const at::Tensor& packed) const {
  check_room(cache, 1);
  const std::vector<HeadWork<T>> heads = plan<T>(cache, packed.options());
  ++cache.positions;
  const at::Tensor rows = packed.contiguous();
  at::Tensor out =
      at::empty({packed.size(0), 1, packed.size(2), head_.value_width}, packed.options());
  const std::int64_t row_width = head_.query_width + head_.value_width;
  std::int64_t keys = 0;
  for (const HeadWork<T>& head : heads) {
    for (const CachedRun<T>& run : head.seen) keys += run.count;
  }
  const std::int64_t grain = token_grain(keys / packed.size(2) * row_width);
  at::parallel_for(
      0, packed.size(0) * packed.size(2), grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t sequence = i / packed.size(2);
          const HeadWork<T>& head = heads[static_cast<std::size_t>(i % packed.size(2))];
          const T* const query = rows.const_data_ptr<T>() + i * head_.packed_width();
          for (const Kept<T>& kept : head.kept) {
            std::copy_n(query + head_.query_width, row_width,
                        kept.row + sequence * kept.sequence_stride);
          }
          token_kernels<T>().attend({.query_width = head_.query_width,
                                     .value_width = head_.value_width,
                                     .scale = static_cast<T>(head_.scale),
                                     .runs = head.seen.data(),
                                     .run_count = std::ssize(head.seen)},
                                    sequence, query, out.data_ptr<T>() + i * head_.value_width);
        }
      });
  return out;
}

std::int64_t KeyValueCache::bytes() const {
  std::int64_t total = 0;
  for (const LayerCache& layer : layers_) {
    for (const GroupCache& group : layer.groups) {
      for (const PieceCache& piece : group.pieces) {
        total += std::visit([](const auto& kept) { return kept.store().bytes(); }, piece);
      }
    }
  }
  return total;
}

}  // namespace sparse_transformer
