// FLAC sound through libFLAC: libsndfile does not notice that the rate changes, nor reads all
// sizes of samples.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "files/audio_decoder.h"

namespace sparse_transformer {

/// Requires that it begins with "fLaC". `bytes` must outlive the decoder; `name` is for errors.
/// Decodes as long as frames follow one another. Throws UserError for a damaged or cut file, and
/// where the rate or the number of channels changes. Where the checksum (MD5) of the header is that
/// of the sound, other fields that are wrong are only warned of.
std::unique_ptr<AudioDecoder> open_flac(std::span<const std::byte> bytes, const std::string& name);

/// The same of FLAC in the pages of OGG, which are all of `bytes`. `rest` follows them in the file;
/// the decoder gives `warnings` beside its own.
std::unique_ptr<AudioDecoder> open_ogg_flac(std::span<const std::byte> bytes,
                                            std::span<const std::byte> rest,
                                            std::vector<std::string> warnings,
                                            const std::string& name);

}  // namespace sparse_transformer
