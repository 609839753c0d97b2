#include "data/picture_codec.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace sparse_transformer {

namespace {

constexpr std::uint8_t kMissing = 128;     // pixels that an unfinished sample has not got
constexpr std::uint8_t kBackground = 255;  // between the pictures of a grid
constexpr std::int64_t kGap = 2;           // pixels between them
constexpr std::int64_t kVisibleSide = 64;  // what a person can make out on a screen

/// Paints one sample, each pixel as a square of `scale`, with its top left corner at (top, left).
void paint(Image& image, std::int64_t top, std::int64_t left, std::int64_t scale,
           const std::vector<std::int64_t>& shape, std::span<const std::uint8_t> sample) {
  const std::int64_t channels = shape[2];
  for (std::int64_t row = 0; row < shape[0] * scale; ++row) {
    for (std::int64_t column = 0; column < shape[1] * scale; ++column) {
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        const auto token = static_cast<std::size_t>(
            (row / scale * shape[1] + column / scale) * channels + channel);
        const std::int64_t target =
            ((top + row) * image.width + left + column) * channels + channel;
        image.pixels[static_cast<std::size_t>(target)] =
            token < sample.size() ? sample[token] : kMissing;
      }
    }
  }
}

}  // namespace

Image draw_pictures(const std::vector<std::int64_t>& shape,
                    const std::vector<std::vector<std::uint8_t>>& samples,
                    std::int64_t most_columns) {
  const std::int64_t count = std::ssize(samples);
  const auto square = static_cast<std::int64_t>(std::ceil(std::sqrt(count)));
  const std::int64_t columns = most_columns > 0 ? std::min(most_columns, count) : square;
  const std::int64_t rows = (count + columns - 1) / columns;
  const std::int64_t scale =
      count > 1 ? std::max<std::int64_t>(1, kVisibleSide / std::max(shape[0], shape[1])) : 1;
  const std::int64_t row_step = shape[0] * scale + kGap;
  const std::int64_t column_step = shape[1] * scale + kGap;
  Image image = {.width = columns * column_step - kGap,
                 .height = rows * row_step - kGap,
                 .channels = shape[2],
                 .pixels = {}};
  image.pixels.assign(static_cast<std::size_t>(image.width * image.height * image.channels),
                      kBackground);
  for (std::int64_t i = 0; i < count; ++i) {
    paint(image, i / columns * row_step, i % columns * column_step, scale, shape,
          samples[static_cast<std::size_t>(i)]);
  }
  return image;
}

}  // namespace sparse_transformer
