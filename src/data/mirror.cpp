#include "data/mirror.h"

#include <algorithm>

#include "data/mix.h"

namespace sparse_transformer {

bool is_mirrored(std::uint64_t seed, std::int64_t g) {
  constexpr std::uint64_t kMirror = ~std::uint64_t{1};  // no epoch has this number
  return mix(mix(seed, kMirror), static_cast<std::uint64_t>(g)) % 2 == 1;
}

void mirror(std::span<std::uint8_t> pixels, std::span<const std::int64_t> shape) {
  const std::int64_t width = shape[1], channels = shape[2];
  for (auto row = pixels.begin(); row != pixels.end(); row += width * channels) {
    for (std::int64_t left = 0, right = width - 1; left < right; ++left, --right) {
      std::swap_ranges(row + left * channels, row + (left + 1) * channels, row + right * channels);
    }
  }
}

}  // namespace sparse_transformer
