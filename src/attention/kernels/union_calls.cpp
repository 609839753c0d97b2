#include "attention/kernels/union_calls.h"

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

}  // namespace

bool is_union_of_bands(const at::Tensor& packed, const LayerPattern& pattern,
                       const HeadShape& shape) {
  const bool half = packed.scalar_type() == at::kBFloat16 || packed.scalar_type() == at::kHalf;
  return half && packed.size(1) < kLongest && has_served_width(shape.query_width) &&
         has_served_width(shape.value_width) &&
         std::all_of(pattern.groups.begin(), pattern.groups.end(), [](const HeadGroup& group) {
           return std::all_of(group.pieces.begin(), group.pieces.end(), is_served);
         });
}

UnionCalls union_calls(const at::Tensor& packed, const LayerPattern& pattern,
                       const HeadShape& shape) {
  const std::int64_t n = packed.size(1);
  UnionCalls result;
  for (const HeadGroup& group : pattern.groups) {
    bool started = false;
    for (const Piece& piece : group.pieces) {
      const Band& band = std::get<Band>(piece);
      if (band.view.origin >= n) continue;
      if (!started && band.view.origin > 0) {
        result.partial.push_back(&group);
        started = true;
      }
      result.calls.push_back(
          {.band = geometry(band, n),
           .sizes = {.batch = static_cast<std::int32_t>(packed.size(0)),
                     .heads = static_cast<std::int32_t>(packed.size(2)),
                     .first_head = static_cast<std::int32_t>(group.first_head),
                     .group_heads = static_cast<std::int32_t>(group.heads),
                     .query_width = static_cast<std::int32_t>(shape.query_width),
                     .value_width = static_cast<std::int32_t>(shape.value_width)},
           .memory = {},
           .scale = static_cast<float>(shape.scale),
           .continues = started});
      started = true;
    }
    if (!started) result.partial.push_back(&group);
  }
  return result;
}

}  // namespace sparse_transformer
