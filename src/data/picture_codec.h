// Samples of pictures → PNG files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sparse_transformer {

/// How several pictures share a file.
struct PictureGrid {
  std::int64_t columns = 0;  // 0: about as many as rows
  std::string caption;       // a line above them; empty = none
};

/// One sample alone is its own pixels. Several are a grid, row by row, each at least 64 pixels high
/// or wide by a whole factor of enlargement. What an unfinished sample lacks is grey. `shape` is
/// height, width, channels; `text` becomes the PNG's text chunks.
std::vector<std::byte> encode_pictures(const std::vector<std::int64_t>& shape,
                                       const std::vector<std::vector<std::uint8_t>>& samples,
                                       const PictureGrid& grid,
                                       const std::map<std::string, std::string>& text);

}  // namespace sparse_transformer
