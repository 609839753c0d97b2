#include "attention/kernels/union_plan.h"

#include <algorithm>
#include <variant>

namespace sparse_transformer {
namespace {

constexpr std::int64_t kWidestHead = 128;
constexpr std::int64_t kWidthStep = 8;      // numbers in the 16 bytes that are copied at once
constexpr std::int64_t kLongest = 1 << 30;  // positions and their differences are 32 bits wide

bool has_served_width(std::int64_t width) {
  return width % kWidthStep == 0 && width <= kWidestHead;
}

bool is_served(const Piece& piece) {
  const auto* band = std::get_if<Band>(&piece);
  if (band == nullptr) return false;
  const bool dense = band->view.is_whole() && band->view.inner == 1 && band->high == kUnbounded;
  return !dense;
}

BandGeometry geometry(const Band& band, std::int64_t n) {
  const auto narrow = [](std::int64_t x) { return static_cast<std::int32_t>(x); };
  // Beyond the sequence one bound is as good as another.
  const auto bounded = [&](std::int64_t bound) { return narrow(std::clamp(bound, -n, n)); };
  BandGeometry result = {.n = narrow(n),
                         .length = bounded(band.view.length),
                         .inner = narrow(band.view.inner),
                         .origin = narrow(band.view.origin),
                         .shift = narrow(band.shift),
                         .low = bounded(band.low),
                         .high = bounded(band.high),
                         .keys = bounded(band.keys)};
  return result;
}

/// The heads of a slice: as many as its bytes allow, a divisor of the group's.
std::int32_t slice_heads(std::int32_t group_heads, std::int64_t bytes_a_head,
                         std::int64_t slice_bytes) {
  std::int32_t heads = group_heads;
  while (heads > 1 && (group_heads % heads != 0 || heads * bytes_a_head > slice_bytes)) --heads;
  return heads;
}

/// The warps of a block that leave the fewest of a launch without rows; of several the most.
std::int32_t best_warps(const UnionWork& work) {
  constexpr std::int32_t kMostWarps = 4;
  std::int32_t best = 0;
  std::int64_t fewest = 0;
  for (std::int32_t warps = kMostWarps; warps > 0; --warps) {
    std::int64_t total = 0;
    for (int i = 0; i < work.count; ++i) total += warps * blocks_a_slice(work.bands[i], warps);
    if (best == 0 || total < fewest) {
      best = warps;
      fewest = total;
    }
  }
  return best;
}

}  // namespace

bool is_union_of_bands(const at::Tensor& packed, const LayerPattern& pattern,
                       const HeadShape& shape) {
  const bool half = packed.scalar_type() == at::kBFloat16 || packed.scalar_type() == at::kHalf;
  return half && packed.size(1) < kLongest && has_served_width(shape.query_width) &&
         has_served_width(shape.value_width) &&
         std::all_of(pattern.groups.begin(), pattern.groups.end(), [](const HeadGroup& group) {
           return group.pieces.size() <= UnionWork::kMostBands &&
                  std::all_of(group.pieces.begin(), group.pieces.end(), is_served);
         });
}

UnionPlan union_plan(const at::Tensor& packed, const LayerPattern& pattern, const HeadShape& shape,
                     Direction direction, std::int64_t slice_bytes) {
  const auto narrow = [](std::int64_t x) { return static_cast<std::int32_t>(x); };
  const std::int64_t n = packed.size(1);
  const std::int64_t bytes_a_head = 2 * n * (shape.packed_width() + shape.value_width);
  UnionPlan plan;
  for (const HeadGroup& group : pattern.groups) {
    const LayerSizes sizes = {
        .batch = narrow(packed.size(0)),
        .heads = narrow(packed.size(2)),
        .first_head = narrow(group.first_head),
        .group_heads = narrow(group.heads),
        .slice_heads = slice_heads(narrow(group.heads), bytes_a_head, slice_bytes),
        .query_width = narrow(shape.query_width),
        .value_width = narrow(shape.value_width)};
    UnionWork work = {};
    bool started = false;
    for (const Piece& piece : group.pieces) {
      const Band& band = std::get<Band>(piece);
      if (band.view.origin >= n) continue;
      if (!started && band.view.origin > 0) {
        plan.partial.push_back(&group);
        started = true;
      }
      work.bands[work.count++] = {.band = geometry(band, n),
                                  .sizes = sizes,
                                  .memory = {},
                                  .scale = static_cast<float>(shape.scale),
                                  .continues = started};
      started = true;
    }
    if (!started) plan.partial.push_back(&group);
    if (work.count == 0 || sizes.batch == 0) continue;
    work.warps = best_warps(work);
    work.slices = sizes.batch * (sizes.group_heads / sizes.slice_heads);
    const std::int64_t sides = direction == Direction::kForward ? 1 : 2;
    for (int i = 0; i < work.count; ++i) {
      work.blocks[i] = narrow(sides * blocks_a_slice(work.bands[i], work.warps));
    }
    plan.launches.push_back(work);
  }
  return plan;
}

}  // namespace sparse_transformer
