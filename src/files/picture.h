// Pictures of any format that the program reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "files/image.h"

namespace sparse_transformer {

/// A PNG or JPEG, recognised by its content, upright. `enough` as decode_jpeg() has it: the side
/// that the picture is to be made as small as. `warnings` as decode_png() and decode_jpeg() have
/// them. Throws UserError as decode_png() and decode_jpeg()
/// do, and for what is neither, which it calls what it is where its first bytes say so.
Image decode_picture(std::span<const std::byte> bytes, const std::string& name,
                     std::int64_t enough = 0, std::vector<std::string>* warnings = nullptr);

}  // namespace sparse_transformer
