// Tokens ↔ what a person sees or hears: PNG grids, text or bytes, WAV and FLAC, MIDI.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/token_data.h"
#include "files/safetensors.h"

namespace sparse_transformer {

/// How samples are laid out on a picture.
struct PictureLayout {
  std::int64_t columns = 0;  // of a grid of pictures; 0: about as many as rows
  std::string caption;       // a line above; empty = none
};

/// The usual file extension of samples of this format: ".png", ".wav", ".mid", ".txt".
std::string_view sample_extension(const TokenFormat& format);

/// Throws UserError where a file of that name would be taken for another kind than the samples are:
/// pictures end in .png, sound in .wav, .flac or (spectrograms) .png, scores in .mid or (piano
/// rolls) .png, bytes in none of these.
void check_extension(const std::filesystem::path& path, const TokenFormat& format);

/// Whether samples of this format can be drawn, as a .png.
bool is_drawable(const TokenFormat& format);
/// Whether the name ends in .png, in any case.
bool is_picture_name(const std::filesystem::path& path);

/// The file of one or more samples, any of which may be unfinished (a prefix of its tokens).
/// Pictures, sound and scores: picture_codec.h, sound_codec.h and spectrogram.h, score_codec.h; a
/// single picture has no caption. Bytes: one as it is; several, each below a line
/// "---- sample K ----".
/// `text` goes into the file where the format has room for it (PNG text chunks, the comment of a
/// sound or score). `extension` (one of check_extension()'s, in lower case) chooses between the
/// files of a format.
std::vector<std::byte> encode_samples(const TokenFormat& format,
                                      const std::vector<std::vector<std::uint8_t>>& samples,
                                      const Metadata& text, std::string_view extension,
                                      const PictureLayout& layout = {});

/// The same, as the path's ending says, written whole or not at all. Throws UserError or WorldError
/// naming the path.
void write_samples(const std::filesystem::path& path, const TokenFormat& format,
                   const std::vector<std::vector<std::uint8_t>>& samples, const Metadata& text,
                   const PictureLayout& layout = {});

/// The tokens of a file that primes sampling: for pictures a PNG of the format's shape, for sound
/// any that files/audio.h reads, for scores a MIDI file, else any file, byte for byte. Appends
/// warnings about it where asked. Throws UserError naming file and fault.
std::vector<std::uint8_t> read_prime(const std::filesystem::path& path, const TokenFormat& format,
                                     std::vector<std::string>* warnings = nullptr);

}  // namespace sparse_transformer
