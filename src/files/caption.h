// A line of text above a picture.
#pragma once

#include <cstdint>
#include <string>

#include "files/image.h"

namespace sparse_transformer {

inline constexpr std::int64_t kCaptionHeight = 24;  // pixels

/// The picture with kCaptionHeight more rows above it, which hold the caption as far as it fits.
Image captioned(const Image& image, const std::string& caption);

}  // namespace sparse_transformer
