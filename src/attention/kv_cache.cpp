#include "attention/kv_cache.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

namespace sparse_transformer {
namespace {

at::Tensor make_store(const at::Tensor& rows, std::int64_t batch, std::int64_t capacity) {
  return at::empty({batch, rows.size(1), capacity, rows.size(3)}, rows.options());
}

}  // namespace

void RecentRows::append(const at::Tensor& rows) {
  const std::int64_t most = look_back_ + 1;  // rows that the newest position may ask for
  if (!store_.defined()) {
    store_ = make_store(rows, shape_.batch, std::min(shape_.length, 2 * most));
  }
  const std::int64_t count = std::min(rows.size(2), most);
  if (used_ + count > store_.size(2)) {
    // The rows to keep lie behind the first `most`, so they do not overlap their new place.
    const std::int64_t kept = most - count;
    store_.narrow(2, 0, kept).copy_(store_.narrow(2, used_ - kept, kept));
    used_ = kept;
  }
  store_.narrow(2, used_, count).copy_(rows.narrow(2, rows.size(2) - count, count));
  used_ += count;
}

BandCache::BandCache(const Band& band, const CacheShape& shape, const HeadGroup& /*group*/)
    : band_(band), recent_(look_back(band).value_or(shape.length - 1), shape) {}

void BandCache::append(const at::Tensor& rows, std::int64_t /*first*/) { recent_.append(rows); }

SeenRows BandCache::seen(std::int64_t t) const {
  const KeyGrid grid = keys(band_, t);
  if (grid.rows == 0) return {recent_.store().narrow(2, 0, 0)};
  const std::int64_t first = recent_.place(t - grid.first);
  return {recent_.store().slice(2, first, first + (grid.rows - 1) * grid.step + 1, grid.step)};
}

PrefixCache::PrefixCache(const Band& band, const CacheShape& shape, const HeadGroup& /*group*/)
    : band_(band),
      shape_(shape),
      kept_(std::clamp<std::int64_t>(shape.length - band.view.origin, 0, band.keys)) {}

void PrefixCache::append(const at::Tensor& rows, std::int64_t first) {
  if (!store_.defined()) store_ = make_store(rows, shape_.batch, kept_);
  const std::int64_t origin = band_.view.origin;
  const std::int64_t begin = std::max(first, origin);
  const std::int64_t end = std::min(first + rows.size(2), origin + kept_);
  if (begin >= end) return;
  store_.narrow(2, begin - origin, end - begin).copy_(rows.narrow(2, begin - first, end - begin));
}

SeenRows PrefixCache::seen(std::int64_t t) const {
  const KeyGrid grid = keys(band_, t);
  return {store_.narrow(2, grid.rows > 0 ? grid.first - band_.view.origin : 0, grid.rows)};
}

SharedCache::SharedCache(const Shared& shared, const CacheShape& shape, const HeadGroup& group)
    : shared_(shared),
      shape_(shape),
      first_head_(group.first_head),
      heads_(group.heads),
      groups_(most_groups(shape.length - 1)) {}

void SharedCache::append(const at::Tensor& rows, std::int64_t first) {
  // What a head does not have yet must not be a NaN, which no weight of 0 hides.
  if (!store_.defined()) store_ = make_store(rows, shape_.batch, groups_ * shared_.width).zero_();
  // Positions of the same column, a period apart, go to the same heads and are copied together.
  const std::int64_t begin = std::max<std::int64_t>(0, shared_.origin - first);
  const std::int64_t end = std::min(rows.size(2), begin + shared_.period);
  for (std::int64_t offset = begin; offset < end; ++offset) {
    for (std::int64_t set = 0; set < std::min(shared_.blocks, heads_); ++set) {
      keep(rows, first, offset, set);
    }
  }
}

void SharedCache::keep(const at::Tensor& rows, std::int64_t first, std::int64_t offset,
                       std::int64_t set) {
  const std::int64_t period = shared_.period;
  const std::int64_t since = first + offset - shared_.origin;
  const std::int64_t column = since % period - shared_.first_column(first_head_ + set);
  const std::int64_t place = column / shared_.width_step;
  if (column < 0 || column % shared_.width_step != 0 || place >= shared_.width) return;
  const std::int64_t group = since / period;
  const std::int64_t copied = std::min((rows.size(2) - offset - 1) / period + 1, groups_ - group);
  if (copied <= 0) return;
  store_.slice(1, set, heads_, shared_.blocks)
      .slice(2, group * shared_.width + place, (group + copied) * shared_.width, shared_.width)
      .copy_(rows.slice(1, set, heads_, shared_.blocks)
                 .slice(2, offset, offset + (copied - 1) * period + 1, period));
}

SeenRows SharedCache::seen(std::int64_t t) const {
  const std::int64_t most = most_groups(t) * shared_.width;
  SeenRows result{store_.narrow(2, 0, most)};
  if (shared_.delay) return result;
  // Heads see a group from different positions on: some may not see the newest one yet.
  const at::Tensor hidden = at::zeros({heads_, 1, most}, at::kBool);
  for (std::int64_t head = 0; head < heads_; ++head) {
    const std::int64_t seen = shared_.groups(t, first_head_ + head) * shared_.width;
    hidden.select(0, head).narrow(1, seen, most - seen).fill_(true);
  }
  result.hidden = hidden.to(store_.device());
  return result;
}

std::int64_t SharedCache::most_groups(std::int64_t t) const {
  std::int64_t most = 0;
  for (std::int64_t head = 0; head < std::min(shared_.blocks, heads_); ++head) {
    most = std::max(most, shared_.groups(t, first_head_ + head));
  }
  return most;
}

BlocksCache::BlocksCache(const Blocks& blocks, const CacheShape& shape, const HeadGroup& group)
    : blocks_(blocks),
      first_head_(group.first_head),
      heads_(group.heads),
      recent_(std::min(blocks.table->look_back(), shape.length - 1), shape) {}

void BlocksCache::append(const at::Tensor& rows, std::int64_t /*first*/) { recent_.append(rows); }

SeenRows BlocksCache::seen(std::int64_t t) const {
  std::vector<std::vector<std::int64_t>> keys;
  std::size_t most = 0;
  for (std::int64_t head = 0; head < heads_; ++head) {
    keys.push_back(blocks_.table->keys(t, first_head_ + head));
    most = std::max(most, keys.back().size());
  }
  const auto count = static_cast<std::int64_t>(most);
  const at::Tensor places = at::zeros({heads_, count}, at::kLong);
  const at::Tensor hidden = at::ones({heads_, 1, count}, at::kBool);
  for (std::int64_t head = 0; head < heads_; ++head) {
    std::int64_t entry = head * count;
    for (const std::int64_t key : keys[static_cast<std::size_t>(head)]) {
      places.data_ptr<std::int64_t>()[entry] = recent_.place(t - key);
      hidden.data_ptr<bool>()[entry++] = false;
    }
  }
  const at::Tensor& store = recent_.store();
  const at::Tensor index = places.to(store.device()).unsqueeze(0).unsqueeze(3);
  return {store.gather(2, index.expand({store.size(0), -1, -1, store.size(3)})),
          hidden.to(store.device())};
}

KeyValueCache::KeyValueCache(const std::vector<LayerPattern>& layers, const CacheShape& shape,
                             const HeadShape& head)
    : shape_(shape), head_(head) {
  for (const LayerPattern& layer : layers) {
    LayerCache& layer_cache = layers_.emplace_back();
    for (const HeadGroup& group : layer.groups) {
      GroupCache& cache = layer_cache.groups.emplace_back(
          GroupCache{.first_head = group.first_head, .heads = group.heads, .pieces = {}});
      for (const Piece& piece : group.pieces) {
        if (const auto* band = std::get_if<Band>(&piece)) {
          if (band->keys < kUnbounded) {
            cache.pieces.emplace_back(PrefixCache(*band, shape, group));
          } else {
            cache.pieces.emplace_back(BandCache(*band, shape, group));
          }
        } else if (const auto* shared = std::get_if<Shared>(&piece)) {
          cache.pieces.emplace_back(SharedCache(*shared, shape, group));
        } else {
          cache.pieces.emplace_back(BlocksCache(std::get<Blocks>(piece), shape, group));
        }
      }
    }
  }
}

void KeyValueCache::append(std::int64_t layer, const at::Tensor& packed) {
  LayerCache& cache = layers_.at(static_cast<std::size_t>(layer));
  if (cache.positions + packed.size(1) > shape_.length) {
    throw std::logic_error("KeyValueCache: " + std::to_string(packed.size(1)) +
                           " positions after " + std::to_string(cache.positions) +
                           " are more than its " + std::to_string(shape_.length));
  }
  const at::Tensor rows =
      packed.narrow(3, head_.query_width, head_.query_width + head_.value_width).transpose(1, 2);
  for (GroupCache& group : cache.groups) {
    const at::Tensor group_rows = rows.narrow(1, group.first_head, group.heads);
    for (auto& piece : group.pieces) {
      std::visit([&](auto& kept) { kept.append(group_rows, cache.positions); }, piece);
    }
  }
  cache.positions += packed.size(1);
}

at::Tensor KeyValueCache::attend(std::int64_t layer, const at::Tensor& packed) {
  append(layer, packed);
  const LayerCache& cache = layers_[static_cast<std::size_t>(layer)];
  const at::Tensor queries = packed.narrow(3, 0, head_.query_width).transpose(1, 2);
  std::vector<at::Tensor> out;
  for (const GroupCache& group : cache.groups) {
    const at::Tensor query = queries.narrow(1, group.first_head, group.heads);
    out.push_back(attend(group, query, cache.positions - 1));
  }
  return at::cat(out, 1).transpose(1, 2);
}

/// query: [batch, heads, 1, query_width]. One softmax runs over the keys of all pieces, so that
/// nothing has to be merged. Half precision is left for float32: q·k may overflow float16 (paper
/// §5.6).
at::Tensor KeyValueCache::attend(const GroupCache& group, const at::Tensor& query,
                                 std::int64_t t) const {
  const auto type = query.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor wide_query = query.to(type);
  std::vector<SeenRows> seen;
  std::vector<at::Tensor> scores;
  for (const auto& piece : group.pieces) {
    SeenRows its = std::visit([&](const auto& kept) { return kept.seen(t); }, piece);
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

std::int64_t KeyValueCache::bytes() const {
  std::int64_t total = 0;
  for (const LayerCache& layer : layers_) {
    for (const GroupCache& group : layer.groups) {
      for (const auto& piece : group.pieces) {
        total += std::visit([](const auto& kept) { return kept.bytes(); }, piece);
      }
    }
  }
  return total;
}

}  // namespace sparse_transformer
