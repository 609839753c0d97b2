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

/// What the newest position of each head attends to.
struct SeenRows {
  at::Tensor rows;         // [batch, heads, count, row_width]
  at::Tensor hidden = {};  // bool [heads, 1, count]: seen by other heads only; undefined: none
};

/// Of the run that each head has at `index`, one that begins where all do and is as long as the
/// longest; nothing if they differ in more than their length.
std::optional<RowRun> common_run(const std::vector<std::vector<RowRun>>& heads, std::size_t index) {
  RowRun common = {0, 1, 0};
  for (const std::vector<RowRun>& runs : heads) {
    if (index >= runs.size()) continue;
    const RowRun& run = runs[index];
    if (common.count == 0) common = run;
    if (run.first != common.first || run.step != common.step) return std::nullopt;
    common.count = std::max(common.count, run.count);
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

/// The rows of `common`, of which a head sees as many as its run at `index` has.
SeenRows rows_of_run(const at::Tensor& store, const std::vector<std::vector<RowRun>>& heads,
                     std::size_t index, const RowRun& common) {
  const std::int64_t end = common.first + (common.count - 1) * common.step + 1;
  SeenRows seen{store.slice(2, common.first, end, common.step)};
  const at::Tensor hidden = at::zeros({std::ssize(heads), 1, common.count}, at::kBool);
  bool is_any_hidden = false;
  for (std::size_t head = 0; head < heads.size(); ++head) {
    const std::int64_t count = index < heads[head].size() ? heads[head][index].count : 0;
    is_any_hidden = is_any_hidden || count < common.count;
    hidden[static_cast<std::int64_t>(head)].narrow(1, count, common.count - count).fill_(true);
  }
  if (is_any_hidden) seen.hidden = hidden.to(store.device());
  return seen;
}

/// Without a copy where all heads see the same rows, or the beginnings of the same runs.
std::vector<SeenRows> seen_rows(const at::Tensor& store,
                                const std::vector<std::vector<RowRun>>& heads) {
  std::size_t most = 0;
  for (const std::vector<RowRun>& runs : heads) most = std::max(most, runs.size());
  std::vector<SeenRows> seen;
  for (std::size_t index = 0; index < most; ++index) {
    const std::optional<RowRun> common = common_run(heads, index);
    if (!common) return {gathered(store, heads)};
    seen.push_back(rows_of_run(store, heads, index, *common));
  }
  return seen;
}

}  // namespace

KeyValueCache::KeyValueCache(const std::vector<LayerPattern>& layers, const CacheShape& shape,
                             const HeadShape& head, Kernels kernels)
    : shape_(shape), head_(head), kernels_(kernels) {
  for (const LayerPattern& layer : layers) {
    layers_.push_back({.places = layer_places(layer, shape.length), .memory = {}, .stores = {}});
  }
}

void KeyValueCache::take_memory(const at::TensorOptions& options) {
  for (LayerCache& cache : layers_) take_memory(cache, options);
}

void KeyValueCache::make_room(LayerCache& cache, std::int64_t positions,
                              const at::TensorOptions& options) const {
  if (cache.positions + positions > shape_.length) {
    throw std::logic_error("KeyValueCache: " + std::to_string(positions) + " positions after " +
                           std::to_string(cache.positions) + " are more than its " +
                           std::to_string(shape_.length));
  }
  take_memory(cache, options);
}

void KeyValueCache::take_memory(LayerCache& cache, const at::TensorOptions& options) const {
  if (cache.memory.defined()) return;
  cache.memory =
      at::zeros({shape_.batch, cache.places.rows, head_.query_width + head_.value_width}, options);
  for (const GroupPlaces& group : cache.places.groups) {
    const at::Tensor heads =
        cache.memory.narrow(1, group.first_row, group.heads * group.head_rows)
            .view({shape_.batch, group.heads, group.head_rows, cache.memory.size(2)});
    std::vector<at::Tensor>& stores = cache.stores.emplace_back();
    for (const KeptPiece& piece : group.pieces) {
      stores.push_back(heads.narrow(2, piece.first_row, piece.rows));
    }
  }
}

void KeyValueCache::append(std::int64_t layer, const at::Tensor& packed) {
  LayerCache& cache = layers_.at(static_cast<std::size_t>(layer));
  make_room(cache, packed.size(1), packed.options());
  const at::Tensor rows =
      packed.narrow(3, head_.query_width, head_.query_width + head_.value_width).transpose(1, 2);
  for (std::size_t g = 0; g < cache.places.groups.size(); ++g) {
    const GroupPlaces& group = cache.places.groups[g];
    const at::Tensor group_rows = rows.narrow(1, group.first_head, group.heads);
    for (std::size_t p = 0; p < group.pieces.size(); ++p) {
      std::visit(
          [&](const auto& kept) { kept.append(cache.stores[g][p], group_rows, cache.positions); },
          group.pieces[p].places);
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
  for (std::size_t g = 0; g < cache.places.groups.size(); ++g) {
    const GroupPlaces& group = cache.places.groups[g];
    out.push_back(attend_plain(cache, g, queries.narrow(1, group.first_head, group.heads)));
  }
  return at::cat(out, 1).transpose(1, 2);
}

/// query: [batch, heads, 1, query_width]. One softmax runs over the keys of all pieces, so that
/// nothing has to be merged. Half precision is left for float32: q·k may overflow float16 (paper
/// §5.6).
at::Tensor KeyValueCache::attend_plain(const LayerCache& cache, std::size_t g,
                                       const at::Tensor& query) const {
  const auto type = query.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor wide_query = query.to(type);
  const GroupPlaces& group = cache.places.groups[g];
  std::vector<SeenRows> seen;
  std::vector<at::Tensor> scores;
  for (std::size_t p = 0; p < group.pieces.size(); ++p) {
    std::vector<std::vector<RowRun>> runs(static_cast<std::size_t>(group.heads));
    for (std::int64_t head = 0; head < group.heads; ++head) {
      std::visit(
          [&](const auto& kept) {
            kept.add_runs(cache.positions - 1, head, runs[static_cast<std::size_t>(head)]);
          },
          group.pieces[p].places);
    }
    for (SeenRows& its : seen_rows(cache.stores[g][p], runs)) {
      its.rows = its.rows.to(type);
      const at::Tensor key = its.rows.narrow(3, 0, head_.query_width);
      scores.push_back(at::matmul(wide_query, key.transpose(2, 3)));
      if (its.hidden.defined()) {
        scores.back().masked_fill_(its.hidden, -std::numeric_limits<double>::infinity());
      }
      seen.push_back(std::move(its));
    }
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
std::vector<KeyValueCache::HeadWork<T>> KeyValueCache::plan(const LayerCache& cache) const {
  const std::int64_t row_width = head_.query_width + head_.value_width;
  std::vector<HeadWork<T>> heads;
  std::vector<RowRun> runs;
  for (std::size_t g = 0; g < cache.places.groups.size(); ++g) {
    const GroupPlaces& group = cache.places.groups[g];
    heads.resize(heads.size() + static_cast<std::size_t>(group.heads));
    for (std::size_t p = 0; p < group.pieces.size(); ++p) {
      const at::Tensor& store = cache.stores[g][p];
      const auto add = [&](const auto& kept) {
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
      std::visit(add, group.pieces[p].places);
    }
  }
  return heads;
}

template <typename T>
at::Tensor KeyValueCache::attend_fused(LayerCache& cache, const at::Tensor& packed) const {
  make_room(cache, 1, packed.options());
  const std::vector<HeadWork<T>> heads = plan<T>(cache);
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
    if (layer.memory.defined()) total += static_cast<std::int64_t>(layer.memory.nbytes());
  }
  return total;
}

}  // namespace sparse_transformer
