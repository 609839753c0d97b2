// Samples of sound ↔ WAV and FLAC files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sparse_transformer {

/// The samples (8-bit µ-law) one after another with 0.2 s of silence between, each faded in and out
/// over 10 ms, so that it does not click. `extension` is ".wav" or ".flac".
std::vector<std::byte> encode_sounds(std::int64_t sample_rate,
                                     const std::vector<std::vector<std::uint8_t>>& samples,
                                     std::string_view extension, const std::string& comment);

/// Any sound that files/audio.h reads, in 8-bit µ-law at this rate. Appends its warnings where
/// asked. Throws UserError naming it, also where it holds no samples.
std::vector<std::uint8_t> decode_to_tokens(std::span<const std::byte> bytes,
                                           const std::string& name, std::int64_t sample_rate,
                                           std::vector<std::string>* warnings = nullptr);

}  // namespace sparse_transformer
