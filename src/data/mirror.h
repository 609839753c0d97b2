// Pictures seen in a mirror, so that a model sees each both ways.
#pragma once

#include <cstdint>
#include <span>

namespace sparse_transformer {

/// Whether sequence g of a run is mirrored: half of them are, as a pure function of (seed, g).
bool is_mirrored(std::uint64_t seed, std::int64_t g);

/// Swaps left and right; `pixels` is [height, width, channels], and so is `shape`.
void mirror(std::span<std::uint8_t> pixels, std::span<const std::int64_t> shape);

}  // namespace sparse_transformer
