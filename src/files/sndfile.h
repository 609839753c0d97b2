// WAV, FLAC and OGG sound through libsndfile.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "files/audio_decoder.h"

namespace sparse_transformer {

/// `bytes` must outlive the decoder; `name` is for errors. Throws UserError for what is not a whole
/// file of these formats.
std::unique_ptr<AudioDecoder> open_sndfile(std::span<const std::byte> bytes,
                                           const std::string& name);

}  // namespace sparse_transformer
