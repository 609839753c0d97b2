// Where the samples of a WAV lie. The sizes that its header gives are compared with the file: those
// of files from pipes, of interrupted recordings and of files above 4 GiB are wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "files/audio_decoder.h"

namespace sparse_transformer {

struct WavSound {
  enum class Encoding { kInteger, kFloat, kALaw, kMuLaw };
  Encoding encoding = Encoding::kInteger;
  std::int64_t bytes = 0;        // a sample of one channel
  bool has_lowest_bits = false;  // of its 32 bits the lowest 24 are used, not the highest
  AudioProperties properties;
  std::span<const std::byte> data, rest;  // the samples; what follows them and is no chunk
  std::vector<std::string> warnings;      // of sizes that are wrong, and bytes left out
};

/// Whether it begins as a WAV, RF64 or BW64.
bool is_wav(std::span<const std::byte> bytes);

/// Requires is_wav(). The samples end where their chunk says, if there a chunk, zeros, a tag,
/// another file or the end follow, and where no chunks that fill the file to its end begin before.
/// Otherwise they end at the next chunk or at the end, if their chunk gives no possible size (0 or
/// near 2 or 4 GiB), if the file is too large for its fields, or if the size of the whole is right.
/// Throws UserError where samples are missing at the end, and for other encodings.
WavSound find_wav_sound(std::span<const std::byte> bytes, const std::string& name);

}  // namespace sparse_transformer
