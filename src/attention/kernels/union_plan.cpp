#include "attention/kernels/union_plan.h"

#include <algorithm>
#include <limits>
#include <variant>

namespace sparse_transformer {
namespace {

constexpr std::int64_t kWidestHead = 128;
constexpr std::int64_t kWidthStep = 8;      // numbers in the 16 bytes that are copied at once
constexpr std::int64_t kLongest = 1 << 29;  // sums of two positions have 32 bits

std::int32_t narrow(std::int64_t x) { return static_cast<std::int32_t>(x); }

bool is_served_width(std::int64_t width) {
  return width > 0 && width % kWidthStep == 0 && width <= kWidestHead;
}

bool is_served(const Piece& piece) {
  if (std::holds_alternative<Shared>(piece)) return true;
  const auto* band = std::get_if<Band>(&piece);
  if (band == nullptr) return false;
  const bool dense = band->view.is_whole() && band->view.inner == 1 && band->high == kUnbounded;
  return !dense;
}

/// Beyond the sequence one bound is as good as another.
std::int32_t bounded(std::int64_t bound, std::int64_t n) {
  return narrow(std::clamp(bound, -n, n));
}

UnionPiece piece_of(const Band& band, std::int64_t n) {
  return {.queries = {.n = narrow(n),
                      .length = bounded(band.view.length, n),
                      .inner = bounded(band.view.inner, n),
                      .origin = bounded(band.view.origin, n)},
          .band = {.shift = narrow(band.shift),
                   .low = bounded(band.low, n),
                   .high = bounded(band.high, n),
                   .keys = bounded(band.keys, n)},
          .list = {},
          .accumulates = false};
}

UnionPiece piece_of(const Shared& shared, std::int64_t n) {
  constexpr std::int32_t kAfterLastColumn = -1;
  // What lies beyond the sequence has no effect and is cut to n, which fits in 32 bits.
  return {.queries = {.n = narrow(n), .length = narrow(n), .inner = 1, .origin = 0},
          .band = {},
          .list = {.width = narrow(shared.width),
                   .width_step = narrow(shared.width_step),
                   .period = bounded(shared.period, n),
                   .origin = bounded(shared.origin, n),
                   .first = narrow(shared.first),
                   .rotate = narrow(shared.rotate),
                   .blocks = narrow(shared.blocks),
                   .delay = shared.delay ? bounded(*shared.delay, n) : kAfterLastColumn},
          .accumulates = true};
}

/// The heads of a slice: as many as its bytes allow, a divisor of the group's.
std::int32_t slice_heads(std::int32_t group_heads, std::int64_t bytes_a_head,
                         std::int64_t slice_bytes) {
  std::int32_t heads = group_heads;
  while (heads > 1 && (group_heads % heads != 0 || heads * bytes_a_head > slice_bytes)) --heads;
  return heads;
}

/// What the forward pass of a piece costs in one slice.
struct Cost {
  double multiply_adds = 0.0;
  double numbers = 0.0;  // that are loaded
};

/// Keys that rows first ... first + rows - 1 of the longest group see together.
std::int64_t keys_met(const UnionPiece& piece, std::int32_t first, std::int32_t rows) {
  const std::int32_t last = first + rows - 1;
  if (piece.is_list()) return piece.list.keys_of(std::min(last, piece.queries.n - 1), 0);
  const BandKeys& band = piece.band;
  const std::int32_t begin = std::max(0, first - band.high);
  const std::int32_t end =
      std::min({last - band.low + 1, piece.queries.longest_group(), band.keys});
  return std::max(0, end - begin);
}

Cost cost_of(const UnionPiece& piece, const LayerSizes& sizes, std::int32_t tile_rows) {
  constexpr std::int64_t kKeysAtOnce = 64;
  constexpr std::int32_t kMostSamples = 64;  // tiles that are looked at; the rest is like them
  const std::int32_t tiles = divide_up(piece.queries.longest_group(), tile_rows);
  const std::int32_t step = divide_up(tiles, kMostSamples);
  Cost cost;
  double samples = 0.0;
  for (std::int32_t tile = 0; tile < tiles; tile += step) {
    const std::int64_t keys = keys_met(piece, tile * tile_rows, tile_rows);
    const std::int64_t computed = (keys + kKeysAtOnce - 1) / kKeysAtOnce * kKeysAtOnce;
    cost.multiply_adds += static_cast<double>(tile_rows * computed);
    cost.numbers += static_cast<double>(tile_rows + keys);
    samples += 1.0;
  }
  const double scale = query_blocks(piece, sizes, tile_rows) / samples *
                       static_cast<double>(sizes.query_width + sizes.value_width);
  return {cost.multiply_adds * scale, cost.numbers * scale};
}

/// The warps of a block that a launch takes the least time with, by a model of a Hopper GPU: tensor
/// cores and the second level of cache work at once, and the slower of them counts. Of several the
/// most.
std::int32_t best_warps(const UnionParams& params) {
  constexpr double kMultiplyAdds = 250e12, kNumbers = 2.5e12;  // a second
  std::int32_t best = 1;
  double least = std::numeric_limits<double>::infinity();
  for (const std::int32_t warps : {4, 2, 1}) {
    Cost total;
    for (std::int32_t i = 0; i < params.count; ++i) {
      const Cost cost = cost_of(params.pieces[i], params.sizes, warps * kWarpRows);
      total.multiply_adds += cost.multiply_adds;
      total.numbers += cost.numbers;
    }
    const double seconds = std::max(total.multiply_adds / kMultiplyAdds, total.numbers / kNumbers);
    if (seconds >= least) continue;
    best = warps;
    least = seconds;
  }
  return best;
}

/// The pieces of a group that have any query. Returns whether the first writes every position.
bool add_pieces(const HeadGroup& group, std::int64_t n, UnionParams& params) {
  bool is_whole = false;
  for (const Piece& each : group.pieces) {
    const auto add = [&](const auto& piece) { params.pieces[params.count] = piece_of(piece, n); };
    if (const auto* band = std::get_if<Band>(&each)) {
      if (band->view.origin >= n) continue;
      add(*band);
      if (params.count == 0) is_whole = band->view.origin == 0;
    } else {
      add(std::get<Shared>(each));
    }
    params.pieces[params.count].accumulates = params.count > 0 || !is_whole;
    ++params.count;
  }
  return is_whole;
}

}  // namespace

bool is_served_union(const LayerPattern& pattern, const HeadShape& shape, std::int64_t n) {
  return n < kLongest && is_served_width(shape.query_width) && is_served_width(shape.value_width) &&
         std::all_of(pattern.groups.begin(), pattern.groups.end(), [](const HeadGroup& group) {
           return group.pieces.size() <= UnionParams::kMostPieces &&
                  std::all_of(group.pieces.begin(), group.pieces.end(), is_served);
         });
}

UnionPlan union_plan(const LayerPattern& pattern, const HeadShape& shape, std::int64_t batch,
                     std::int64_t n, Direction direction, const UnionTuning& tuning) {
  const std::int64_t bytes_a_head = 2 * n * (shape.packed_width() + shape.value_width);
  UnionPlan plan;
  for (const HeadGroup& group : pattern.groups) {
    UnionParams params = {};
    params.sizes = {
        .batch = narrow(batch),
        .heads = narrow(pattern.heads()),
        .first_head = narrow(group.first_head),
        .group_heads = narrow(group.heads),
        .slice_heads = slice_heads(narrow(group.heads), bytes_a_head, tuning.slice_bytes),
        .query_width = narrow(shape.query_width),
        .value_width = narrow(shape.value_width)};
    params.scale = static_cast<float>(shape.scale);
    if (!add_pieces(group, n, params)) plan.partial.push_back(&group);
    if (params.count == 0 || batch == 0) continue;
    params.warps = tuning.warps > 0 ? tuning.warps : best_warps(params);
    params.slices = params.sizes.batch * (params.sizes.group_heads / params.sizes.slice_heads);
    for (std::int32_t i = 0; i < params.count; ++i) {
      const std::int32_t rows = params.warps * kWarpRows;
      params.blocks[i] = query_blocks(params.pieces[i], params.sizes, rows);
      if (direction == Direction::kBackward) {
        params.blocks[i] += key_blocks(params.pieces[i], params.sizes, rows);
      }
    }
    plan.launches.push_back(params);
  }
  return plan;
}

}  // namespace sparse_transformer
