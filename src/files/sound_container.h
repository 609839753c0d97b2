// Whether the container of a sound is whole: libsndfile reads what is left of a cut WAV and steps
// over damaged pages of an OGG without a word.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace sparse_transformer {

/// Throws UserError for a WAV that is cut off or holds another encoding than PCM (of integers or
/// floating-point numbers), A-law and µ-law.
void check_wav(std::span<const std::byte> bytes, const std::string& name);

/// Throws UserError for an OGG with a page whose checksum is wrong, or without a last page.
void check_ogg(std::span<const std::byte> bytes, const std::string& name);

}  // namespace sparse_transformer
