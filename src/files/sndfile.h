// WAV and OGG sound through libsndfile.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "files/audio_decoder.h"

namespace sparse_transformer {

/// Requires is_wav(). `bytes` must outlive the decoder; `name` is for errors. Throws UserError for
/// a damaged or cut file, and for encodings that are not read.
std::unique_ptr<AudioDecoder> open_wav(std::span<const std::byte> bytes, const std::string& name);

/// The same of the first stream of an OGG.
std::unique_ptr<AudioDecoder> open_ogg(std::span<const std::byte> bytes, const std::string& name);

}  // namespace sparse_transformer
