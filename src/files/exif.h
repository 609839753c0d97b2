// Which way up a picture is, as the EXIF or XMP that cameras and editors leave in it says.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace sparse_transformer {

/// Returns the orientation, 1 to 8 (see upright(), image.h), in a block of EXIF, which begins with
/// a TIFF header or with "Exif" and two zeros before it. The value may be of any integer type; of
/// several the first counts; one that is no orientation counts as 1. Nothing where the block has
/// none or is damaged: a picture is whole without it.
std::optional<int> exif_orientation(std::span<const std::byte> exif);

/// Likewise of an XMP packet: tiff:Orientation as an attribute or an element.
std::optional<int> xmp_orientation(std::string_view xmp);

/// Returns the bytes of ImageMagick's text chunks "Raw profile type …": a name, the number of
/// bytes, and these in hexadecimal, on lines. As many as there are before something else.
std::vector<std::byte> raw_profile(std::string_view text);

}  // namespace sparse_transformer
