// MP3 sound, and that of MPEG's layers I and II, through libmpg123: libsndfile would let it write
// its warnings to stderr.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "files/audio_decoder.h"

namespace sparse_transformer {

/// Whether it begins with a frame, or in layer I, whose first bytes begin texts too, with two.
bool is_mp3(std::span<const std::byte> bytes);
/// The bytes from the first three frames in a row on; none where there are none.
std::span<const std::byte> from_first_mp3_frame(std::span<const std::byte> bytes);

/// `bytes` must outlive the decoder; `name` is for errors. Decodes frames that follow one another,
/// with tags between them, up to one of another rate. Throws UserError for
/// what is no MP3, and where bytes between frames are none.
std::unique_ptr<AudioDecoder> open_mp3(std::span<const std::byte> bytes, const std::string& name);

}  // namespace sparse_transformer
