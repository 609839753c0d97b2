// JPEG pictures, in memory, through libjpeg-turbo.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "files/image.h"

namespace sparse_transformer {

/// Any JPEG of 8 bits, baseline or progressive, as grey (where it is) or RGB; CMYK and YCCK,
/// which hold 255 for no ink, become RGB as red = (1 - cyan) (1 - black) and so on, without colour
/// profiles. Turned upright by the
/// orientation of its EXIF, or else of its XMP. `name` is for errors.
///
/// With `enough`, a picture whose shorter side has at least 8 times that many pixels is decoded at
/// a half, a quarter or an eighth of its size, so that at least 4 times that many are left:
/// quicker, for one that is to be made that small.
///
/// A file that ends after its pixels, without the marker of its end, is read if there are
/// `warnings` to tell it.
///
/// Throws UserError for what is not a whole JPEG (also where libjpeg would only warn and fill the
/// rest with grey), is of a kind that libjpeg does not read (12 bits, lossless …), is larger than
/// check_picture_size() allows, or has more than 100 scans.
Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name,
                  std::int64_t enough = 0, std::vector<std::string>* warnings = nullptr);

}  // namespace sparse_transformer
