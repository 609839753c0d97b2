// Sound, in memory: WAV, FLAC, OGG and MP3 are read piece by piece, WAV and FLAC written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace sparse_transformer {

class AudioDecoder;
class Resampler;

/// One channel of 16-bit samples.
struct Sound {
  std::int64_t sample_rate = 0;  // samples a second
  std::vector<std::int16_t> samples;
  std::string comment;  // to be written (RIFF INFO ICMT, Vorbis COMMENT), UTF-8; empty = none
};

/// The sound of a WAV (also RF64 and BW64), FLAC, OGG (Vorbis, Opus, FLAC) or MP3 file, known by
/// its content: channels are averaged, other rates resampled. Tags before and after it are passed
/// over. Several of these in one file are read one after another. Memory does not grow with its
/// length.
class SoundReader {
 public:
  /// `bytes` must outlive the reader; `name` is for errors. Throws UserError for what is none of
  /// these formats, damaged, or of more than 64 channels or a rate beyond 1,000 to 768,000 Hz.
  SoundReader(std::span<const std::byte> bytes, const std::string& name, std::int64_t sample_rate);
  SoundReader(const SoundReader&) = delete;
  SoundReader& operator=(const SoundReader&) = delete;
  ~SoundReader();

  /// Fills `out` with the samples that follow and returns how many they are: fewer than asked for
  /// only at the end. Throws UserError where the file turns out damaged or cut off. (An MP3 that
  /// does not say how long it is can be cut between two frames, and nothing tells.)
  std::size_t read(std::span<std::int16_t> out);
  /// What of the file is no sound, or contradicts its sound: a sentence each, with its name.
  /// Complete at the end.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  void begin(std::unique_ptr<AudioDecoder> decoder);
  /// Begins the sound that follows the one that has ended. Returns false where none does.
  bool begin_next();
  /// Makes `ready_` the next samples at the rate asked for; leaves it empty at the end.
  void refill();
  /// Makes `mono_` the next frames of the file; leaves it empty at the end.
  void read_mono();

  std::string name_;
  std::int64_t sample_rate_;
  std::unique_ptr<AudioDecoder> decoder_;     // none after the end
  std::unique_ptr<Resampler> resampler_;      // none where the rates are equal
  std::vector<float> frames_, mono_, ready_;  // ±1 is full scale
  std::size_t taken_ = 0;                     // of `ready_`
  std::vector<std::string> warnings_;
};

/// All of a sound, as SoundReader reads it, without the comment. Appends its warnings where asked.
/// Throws UserError, also for more than 2^28 samples.
Sound decode_sound(std::span<const std::byte> bytes, const std::string& name,
                   std::int64_t sample_rate, std::vector<std::string>* warnings = nullptr);

/// A file of one channel, 16 bits, with the comment. The same sound gives the same bytes.
std::vector<std::byte> encode_wav(const Sound& sound);
std::vector<std::byte> encode_flac(const Sound& sound);

}  // namespace sparse_transformer
