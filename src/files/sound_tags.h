// The tags that programs put before and after the sound of any format.
#pragma once

#include <cstddef>
#include <span>

namespace sparse_transformer {

/// The bytes without the tags at their beginning: ID3v2, ID3v1, APEv2 with a header, and zeros.
std::span<const std::byte> without_tags_before(std::span<const std::byte> bytes);

/// The bytes without the tags at their end: ID3v1, APE, Lyrics3 and ID3v2 with a footer.
std::span<const std::byte> without_tags_after(std::span<const std::byte> bytes);

}  // namespace sparse_transformer
