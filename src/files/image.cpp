#include "files/image.h"

#include <algorithm>
#include <span>
#include <utility>

#include "config/errors.h"

namespace sparse_transformer {

namespace {

constexpr std::int64_t kMaxSide = 65'535;
constexpr std::int64_t kMaxPixels = std::int64_t{1} << 28;

std::uint8_t luma(std::span<const std::uint8_t, 3> pixel) {
  return static_cast<std::uint8_t>((299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2] + 500) / 1000);
}

}  // namespace

void check_picture_size(std::int64_t width, std::int64_t height, const std::string& name) {
  const bool fits = width <= kMaxSide && height <= kMaxSide && width * height <= kMaxPixels;
  if (fits) return;
  throw UserError(name + ": a picture of " + std::to_string(width) + " x " +
                  std::to_string(height) + " pixels; expected at most " + std::to_string(kMaxSide) +
                  " a side and " + std::to_string(kMaxPixels) + " in all");
}

Image black_image(std::int64_t width, std::int64_t height, std::int64_t channels) {
  return {width, height, channels,
          std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * channels))};
}

Image with_channels(Image image, std::int64_t channels) {
  if (image.channels == channels) return image;
  Image result = black_image(image.width, image.height, channels);
  const auto pixels = static_cast<std::size_t>(image.width * image.height);
  for (std::size_t i = 0; i < pixels; ++i) {
    if (channels == 1) {
      result.pixels[i] = luma(std::span(image.pixels).subspan(3 * i).first<3>());
    } else {
      std::fill_n(result.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i), 3, image.pixels[i]);
    }
  }
  return result;
}

Image upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool swaps = orientation >= 5;
  const bool mirrors_columns = orientation == 2 || orientation == 3 || orientation >= 7;
  const bool mirrors_rows =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image result = black_image(swaps ? image.height : image.width, swaps ? image.width : image.height,
                             image.channels);
  auto target = result.pixels.begin();
  for (std::int64_t y = 0; y < result.height; ++y) {
    for (std::int64_t x = 0; x < result.width; ++x) {
      std::int64_t column = swaps ? y : x;
      std::int64_t row = swaps ? x : y;
      if (mirrors_columns) column = image.width - 1 - column;
      if (mirrors_rows) row = image.height - 1 - row;
      target = std::copy_n(image.pixels.begin() + (row * image.width + column) * image.channels,
                           image.channels, target);
    }
  }
  return result;
}

}  // namespace sparse_transformer
