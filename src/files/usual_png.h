// The PNG files that nearly all are, read without libpng: a data set of pictures is decoded in half
// the time.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "files/image.h"

namespace sparse_transformer {

/// The keys of text chunks that may say an orientation; the former goes on with a kind.
inline constexpr std::string_view kRawProfile = "Raw profile type ", kXmp = "XML:com.adobe.xmp";

/// A PNG of 8 bits a channel, grey or RGB, without transparency, orientation and interlacing.
/// Nothing for any other, and for one that is damaged: libpng has to see what it makes of those.
/// Throws UserError where it is larger than check_picture_size() allows.
std::optional<Image> decode_usual_png(std::span<const std::byte> bytes, const std::string& name);

}  // namespace sparse_transformer
