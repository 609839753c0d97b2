// Pictures made to a given size, antialiased.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "files/image.h"

namespace sparse_transformer {

/// A rectangle of a picture, in pixels and parts of pixels.
struct Box {
  double left, top, width, height;
};

/// The part `box` of the picture, which must lie within it, as width x height pixels. Each is the
/// weighted mean of the pixels around its place: by a triangle that reaches to the next pixel where
/// the picture grows, or as much farther as it shrinks (Pillow's BILINEAR). The same size gives the
/// same pixels.
Image resize(const Image& image, const Box& box, std::int64_t width, std::int64_t height);

/// How a picture of another shape becomes width x height.
enum class Fit {
  kCrop,    // the middle, as large as the shape allows: nothing is distorted, edges are lost
  kPad,     // all of it, in the middle, on black
  kStretch  // all of it, distorted
};
inline constexpr std::array<std::string_view, 3> kFitWords = {"crop", "pad", "stretch"};

Image fit(const Image& image, std::int64_t width, std::int64_t height, Fit how);

}  // namespace sparse_transformer
