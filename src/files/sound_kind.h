// Which kind of sound file this is, by its first bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace sparse_transformer {

/// The kind of a file that is not read: "AIFF", "AAC"; empty = none that is known.
std::string_view kind_not_read(std::span<const std::byte> bytes);

}  // namespace sparse_transformer
