#include "attention/row_places.h"

#include <ATen/ATen.h>

#include <algorithm>

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

PiecePlaces piece_places(const Piece& piece, const GroupShape& shape) {
  if (const auto* shared = std::get_if<Shared>(&piece)) return SharedPlaces(*shared, shape);
  if (const auto* blocks = std::get_if<Blocks>(&piece)) return BlocksPlaces(*blocks, shape);
  const auto& band = std::get<Band>(piece);
  if (look_back(band) && band.keys == kUnbounded) return WindowPlaces(band, shape);
  return ColumnPlaces(band, shape);
}

}  // namespace

RecentRows::RecentRows(std::int64_t look_back, const GroupShape& shape)
    : capacity_(std::min(look_back, shape.length - 1) + 1) {}

void RecentRows::append(const at::Tensor& store, const at::Tensor& rows, std::int64_t first) const {
  for (std::int64_t i = std::max<std::int64_t>(0, rows.size(2) - capacity_); i < rows.size(2);) {
    const std::int64_t to = row(first + i);
    const std::int64_t copied = std::min(rows.size(2) - i, capacity_ - to);
    store.narrow(2, to, copied).copy_(rows.narrow(2, i, copied));
    i += copied;
  }
}

void RecentRows::add_grid(const KeyGrid& grid, std::vector<RowRun>& runs) const {
  std::int64_t t = grid.first;
  for (std::int64_t left = grid.rows; left > 0;) {
    const std::int64_t first = row(t);
    const std::int64_t count = std::min(left, divide_up(capacity_ - first, grid.step));
    runs.push_back({first, grid.step, count});
    t += count * grid.step;
    left -= count;
  }
}

WindowPlaces::WindowPlaces(const Band& band, const GroupShape& shape)
    : RecentRows(look_back(band).value(), shape), band_(band) {}

void WindowPlaces::add_runs(std::int64_t t, std::int64_t /*head*/,
                            std::vector<RowRun>& runs) const {
  add_grid(keys(band_, t), runs);
}

ColumnPlaces::ColumnPlaces(const Band& band, const GroupShape& shape)
    : band_(band), rows_(rows_of_column(band, shape.length)) {}

void ColumnPlaces::append(const at::Tensor& store, const at::Tensor& rows,
                          std::int64_t first) const {
  // Positions of the same column are copied together.
  const std::int64_t inner = band_.view.inner;
  const std::int64_t begin = std::max<std::int64_t>(0, band_.view.origin - first);
  for (std::int64_t i = begin; i < std::min(rows.size(2), begin + inner); ++i) {
    const std::optional<std::int64_t> to = place(first + i, 0);
    if (!to) continue;
    const std::int64_t copied = std::min(divide_up(rows.size(2) - i, inner), rows_ - *to % rows_);
    store.narrow(2, *to, copied).copy_(rows.slice(2, i, i + (copied - 1) * inner + 1, inner));
  }
}

std::optional<std::int64_t> ColumnPlaces::place(std::int64_t t, std::int64_t /*head*/) const {
  const std::int64_t since = t - band_.view.origin;
  const std::int64_t row = since / band_.view.inner;
  if (since < 0 || row >= rows_) return std::nullopt;
  return since % band_.view.inner * rows_ + row;
}

void ColumnPlaces::add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const {
  const KeyGrid grid = keys(band_, t);
  if (grid.rows > 0) runs.push_back({place(grid.first, head).value(), 1, grid.rows});
}

SharedPlaces::SharedPlaces(const Shared& shared, const GroupShape& shape)
    : shared_(shared), shape_(shape), capacity_(groups_kept(shared, shape) * shared.width) {}

void SharedPlaces::append(const at::Tensor& store, const at::Tensor& rows,
                          std::int64_t first) const {
  // Positions of the same column, a period apart, go to the same heads and are copied together.
  const std::int64_t period = shared_.period;
  const std::int64_t sets = std::min(shared_.blocks, shape_.heads);
  const std::int64_t begin = std::max<std::int64_t>(0, shared_.origin - first);
  for (std::int64_t i = begin; i < std::min(rows.size(2), begin + period); ++i) {
    for (std::int64_t set = 0; set < sets; ++set) {
      const std::optional<std::int64_t> kept = place(first + i, set);
      if (!kept) continue;
      const std::int64_t to = *kept;
      const std::int64_t copied =
          std::min(divide_up(rows.size(2) - i, period), divide_up(capacity_ - to, shared_.width));
      store.slice(1, set, shape_.heads, sets)
          .slice(2, to, to + (copied - 1) * shared_.width + 1, shared_.width)
          .copy_(rows.slice(1, set, shape_.heads, sets)
                     .slice(2, i, i + (copied - 1) * period + 1, period));
    }
  }
}

std::optional<std::int64_t> SharedPlaces::place(std::int64_t t, std::int64_t head) const {
  const std::int64_t since = t - shared_.origin;
  if (since < 0) return std::nullopt;
  const std::int64_t offset =
      since % shared_.period - shared_.first_column(shape_.first_head + head);
  const std::int64_t column = offset / shared_.width_step;
  if (offset < 0 || offset % shared_.width_step != 0 || column >= shared_.width) {
    return std::nullopt;
  }
  const std::int64_t row = since / shared_.period * shared_.width + column;
  return row < capacity_ ? std::optional(row) : std::nullopt;
}

void SharedPlaces::add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const {
  const std::int64_t seen = shared_.groups(t, shape_.first_head + head) * shared_.width;
  if (seen > 0) runs.push_back({0, 1, seen});
}

BlocksPlaces::BlocksPlaces(const Blocks& blocks, const GroupShape& shape)
    : RecentRows(blocks.table->look_back(), shape),
      blocks_(blocks),
      first_head_(shape.first_head) {}

void BlocksPlaces::add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const {
  for (const KeyGrid& grid : keys(blocks_, t, first_head_ + head)) add_grid(grid, runs);
}

LayerPlaces layer_places(const LayerPattern& layer, std::int64_t length) {
  LayerPlaces places = {};
  for (const HeadGroup& group : layer.groups) {
    GroupPlaces& its =
        places.groups.emplace_back(GroupPlaces{.first_head = group.first_head,
                                               .heads = group.heads,
                                               .distinct_heads = distinct_heads(group),
                                               .first_row = places.rows,
                                               .head_rows = 0,
                                               .pieces = {}});
    for (const Piece& piece : group.pieces) {
      const PiecePlaces kept = piece_places(piece, {length, group.first_head, group.heads});
      const std::int64_t rows = std::visit([](const auto& p) { return p.capacity(); }, kept);
      its.pieces.push_back({.places = kept, .first_row = its.head_rows, .rows = rows});
      its.head_rows += rows;
    }
    places.rows += its.heads * its.head_rows;
  }
  return places;
}

}  // namespace sparse_transformer
