// WAV sound, in memory: one channel of 16-bit samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sparse_transformer {

struct Sound {
  std::int64_t sample_rate = 0;  // samples a second
  std::vector<std::int16_t> samples;
  std::string comment;  // the RIFF INFO comment (ICMT), UTF-8; empty = none
};

/// A RIFF WAV file: mono, 16-bit PCM. The same sound gives the same bytes.
std::vector<std::byte> encode_wav(const Sound& sound);

/// Any WAV that libsndfile reads; several channels are averaged, other widths scaled to 16 bits.
/// `name` is for errors. Throws UserError for what is not a whole WAV.
Sound decode_wav(std::span<const std::byte> bytes, const std::string& name);

}  // namespace sparse_transformer
