// Pictures that are stored plane by plane: all red, then all green, then all blue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sparse_transformer {

/// From planes, [channels, height, width], to tokens, [height, width, channels].
inline void interleave(std::span<const std::byte> planes, std::size_t channels,
                       std::span<std::uint8_t> tokens) {
  const std::size_t pixels = tokens.size() / channels;
  auto token = tokens.begin();
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    for (std::size_t plane = 0; plane < channels; ++plane) {
      *token++ = std::to_integer<std::uint8_t>(planes[plane * pixels + pixel]);
    }
  }
}

}  // namespace sparse_transformer
