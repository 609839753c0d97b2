#include "files/caption.h"

#include <algorithm>

#include "files/canvas.h"

namespace sparse_transformer {

Image captioned(const Image& image, const std::string& caption) {
  constexpr std::int64_t kWidest = 2000;
  constexpr std::uint8_t kWhite = 255;
  constexpr Colour kInk{60, 60, 60};
  const std::int64_t width = std::min(image.width, kWidest);
  Canvas canvas(width, kCaptionHeight);
  canvas.text(4, 17, caption, 14, Canvas::Align::kLeft, kInk);
  const Image line = with_channels(canvas.image(), image.channels);
  Image result = {image.width, image.height + kCaptionHeight, image.channels, {}};
  const auto row = static_cast<std::size_t>(image.width * image.channels);
  result.pixels.assign(static_cast<std::size_t>(kCaptionHeight) * row, kWhite);
  const std::int64_t written = width * image.channels;
  for (std::int64_t y = 0; y < kCaptionHeight; ++y) {
    std::copy_n(line.pixels.begin() + y * written, written,
                result.pixels.begin() + y * static_cast<std::int64_t>(row));
  }
  result.pixels.insert(result.pixels.end(), image.pixels.begin(), image.pixels.end());
  return result;
}

}  // namespace sparse_transformer
