// Samples of pictures → one picture.
#pragma once

#include <cstdint>
#include <vector>

#include "files/image.h"

namespace sparse_transformer {

/// One sample alone is its own pixels. Several are a grid, row by row, each at least 64 pixels high
/// or wide by a whole factor of enlargement. What an unfinished sample lacks is grey. `shape` is
/// height, width, channels; `most_columns` 0: about as many as rows.
Image draw_pictures(const std::vector<std::int64_t>& shape,
                    const std::vector<std::vector<std::uint8_t>>& samples,
                    std::int64_t most_columns);

}  // namespace sparse_transformer
