// Pieces of an HTML page that needs nothing beside itself.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace sparse_transformer {

/// Text as HTML shows it: <, >, &, " and ' escaped, bytes that are no UTF-8 and control characters
/// but newlines and tabs replaced by U+FFFD.
std::string escape_html(std::string_view text);

/// "data:image/png;base64,…": a file's content in place of its address.
std::string data_address(std::string_view media_type, std::span<const std::byte> content);

}  // namespace sparse_transformer
