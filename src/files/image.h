// A picture in memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sparse_transformer {

/// 8 bits a channel.
struct Image {
  std::int64_t width = 0, height = 0;
  std::int64_t channels = 3;         // 1 = grey, 3 = red, green, blue
  std::vector<std::uint8_t> pixels;  // [height, width, channels]
};

/// Throws UserError for sizes that a file claims and nobody's picture has: a side above 65,535 or
/// more than 2^28 pixels. To be asked before memory is taken.
void check_picture_size(std::int64_t width, std::int64_t height, const std::string& name);

/// An all-black image.
Image black_image(std::int64_t width, std::int64_t height, std::int64_t channels);

/// The same picture in grey (1 channel; luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, rounded)
/// or in colour (3 channels).
Image with_channels(Image image, std::int64_t channels);

/// The picture as it is to be seen, given its EXIF orientation: 1 = as stored, 2 = mirrored, 3 =
/// upside down, 4 = mirrored top to bottom, 5 = transposed, 6 = to be turned right, 7 = transposed
/// over the other diagonal, 8 = to be turned left.
Image upright(Image image, int orientation);

}  // namespace sparse_transformer
