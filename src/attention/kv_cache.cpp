#include "attention/kv_cache.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace sparse_transformer {
namespace {

at::Tensor make_store(const at::Tensor& rows, std::int64_t batch, std::int64_t capacity) {
  return at::empty({batch, rows.size(1), capacity, rows.size(3)}, rows.options());
}

}  // namespace

BandCache::BandCache(const Band& band, const CacheShape& shape)
    : band_(band), shape_(shape), look_back_(look_back(band).value_or(shape.length - 1)) {}

void BandCache::append(const at::Tensor& rows, std::int64_t /*first*/) {
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

at::Tensor BandCache::seen(std::int64_t t) const {
  const KeyGrid grid = keys(band_, t, 0);
  if (grid.rows == 0) return store_.narrow(2, 0, 0);
  const std::int64_t first = grid.first - (t + 1 - used_);
  return store_.slice(2, first, first + (grid.rows - 1) * grid.step + 1, grid.step);
}

SummaryCache::SummaryCache(const Shared& shared, const CacheShape& shape, const HeadGroup& group)
    : shared_(shared),
      shape_(shape),
      first_head_(group.first_head),
      rows_(keys(shared, shape.length - 1, group.first_head).rows) {}

void SummaryCache::append(const at::Tensor& rows, std::int64_t first) {
  if (!store_.defined()) store_ = make_store(rows, shape_.batch, rows_ * shared_.width);
  const std::int64_t count = rows.size(2);
  const std::int64_t heads = rows.size(1);
  const auto [stride, width, blocks, distance] = shared_;
  // Positions of the same column, l apart, go to the same heads and are copied together.
  for (std::int64_t offset = 0; offset < std::min(count, stride); ++offset) {
    const std::int64_t column = (first + offset) % stride;
    const std::int64_t row = (first + offset) / stride;
    const std::int64_t block = (stride - 1 - column) / width;
    const std::int64_t head = (block + blocks - first_head_ % blocks) % blocks;
    const std::int64_t copied = std::min((count - offset - 1) / stride + 1, rows_ - row);
    if (block >= blocks || head >= heads || copied <= 0) continue;
    const std::int64_t place = column - shared_.first_column(first_head_ + head);
    store_.slice(1, head, heads, blocks)
        .slice(2, row * width + place, (row + copied) * width, width)
        .copy_(rows.slice(1, head, heads, blocks)
                   .slice(2, offset, offset + (copied - 1) * stride + 1, stride));
  }
}

at::Tensor SummaryCache::seen(std::int64_t t) const {
  return store_.narrow(2, 0, keys(shared_, t, first_head_).count());
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
          cache.pieces.emplace_back(BandCache(*band, shape));
        } else {
          cache.pieces.emplace_back(SummaryCache(std::get<Shared>(piece), shape, group));
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
  std::vector<at::Tensor> scores;
  std::vector<at::Tensor> values;
  for (const auto& piece : group.pieces) {
    const at::Tensor rows =
        std::visit([&](const auto& kept) { return kept.seen(t); }, piece).to(type);
    if (rows.size(2) == 0) continue;
    scores.push_back(at::matmul(wide_query, rows.narrow(3, 0, head_.query_width).transpose(2, 3)));
    values.push_back(rows.narrow(3, head_.query_width, head_.value_width));
  }
  at::Tensor out =
      at::zeros({query.size(0), query.size(1), 1, head_.value_width}, wide_query.options());
  if (scores.empty()) return out.to(query.scalar_type());
  const at::Tensor weights = (at::cat(scores, 3) * head_.scale).softmax(3);
  std::int64_t first = 0;
  for (const at::Tensor& value : values) {
    out += at::matmul(weights.narrow(3, first, value.size(2)), value);
    first += value.size(2);
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
