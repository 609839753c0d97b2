// Tokens ↔ what a person sees or hears: PNG grids, text or bytes, WAV.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/token_data.h"
#include "files/safetensors.h"

namespace sparse_transformer {

/// File extension of samples of this format: ".png", ".wav", ".txt".
std::string_view sample_extension(const TokenFormat& format);

/// Writes samples of equal length. Pictures: one grid, roughly square (missing pixels of an unfinished sample grey);
/// sound: the samples one after another with 0.2 s of silence between; bytes: one sample as it is, several separated by
/// a line "---- sample K ----".
/// `text` goes into the file where the format has room for it (PNG text chunks, WAV comment).
void write_samples(const std::filesystem::path& path, const TokenFormat& format,
                   const std::vector<std::vector<std::uint8_t>>& samples, const Metadata& text);

/// The tokens of a file that primes sampling: a PNG (must have the format's shape), a WAV, or plain bytes.
/// Throws UserError naming file and fault.
std::vector<std::uint8_t> read_prime(const std::filesystem::path& path, const TokenFormat& format);

/// 8-bit µ-law (ITU-T G.711, code 0xFF = +0) of a 16-bit sample, and back.
std::uint8_t mu_law_encode(std::int16_t sample);
std::int16_t mu_law_decode(std::uint8_t code);

}  // namespace sparse_transformer
