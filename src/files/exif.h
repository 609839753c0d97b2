// EXIF, the notes that cameras leave in pictures: only which way up they are.
#pragma once

#include <cstddef>
#include <span>

namespace sparse_transformer {

/// The orientation, 1 to 8 (see upright(), image.h), in a block of EXIF, which begins with a TIFF
/// header. 1 where it says nothing or is damaged: a picture is whole without it.
int exif_orientation(std::span<const std::byte> exif);

}  // namespace sparse_transformer
