// MP3 sound through libmpg123: libsndfile would let it write its warnings to stderr.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "files/audio_decoder.h"

namespace sparse_transformer {

/// Whether it begins with an ID3v2 tag or a frame of MPEG layer III.
bool is_mp3(std::span<const std::byte> bytes);

/// `bytes` must outlive the decoder; `name` is for errors. Throws UserError for what is no MP3.
std::unique_ptr<AudioDecoder> open_mp3(std::span<const std::byte> bytes, const std::string& name);

}  // namespace sparse_transformer
