#include "data/sound_codec.h"

#include <algorithm>
#include <iterator>

#include "config/errors.h"
#include "data/mu_law.h"
#include "files/audio.h"

namespace sparse_transformer {

namespace {

/// Linear over `length` samples at each end, or half of all where there are too few.
void fade_ends(std::span<std::int16_t> samples, std::int64_t length) {
  length = std::min(length, std::ssize(samples) / 2);
  for (std::int64_t i = 0; i < length; ++i) {
    for (const std::int64_t place : {i, std::ssize(samples) - 1 - i}) {
      std::int16_t& sample = samples[static_cast<std::size_t>(place)];
      sample = static_cast<std::int16_t>(sample * i / length);
    }
  }
}

}  // namespace

std::vector<std::byte> encode_sounds(std::int64_t sample_rate,
                                     const std::vector<std::vector<std::uint8_t>>& samples,
                                     std::string_view extension, const std::string& comment) {
  Sound sound = {.sample_rate = sample_rate, .samples = {}, .comment = comment};
  for (const auto& sample : samples) {
    if (!sound.samples.empty()) {
      sound.samples.insert(sound.samples.end(), static_cast<std::size_t>(sample_rate / 5), 0);
    }
    std::transform(sample.begin(), sample.end(), std::back_inserter(sound.samples), mu_law_decode);
    fade_ends(std::span(sound.samples).last(sample.size()), sample_rate / 100);
  }
  return extension == ".flac" ? encode_flac(sound) : encode_wav(sound);
}

std::vector<std::uint8_t> decode_to_tokens(std::span<const std::byte> bytes,
                                           const std::string& name, std::int64_t sample_rate,
                                           std::vector<std::string>* warnings) {
  const Sound sound = decode_sound(bytes, name, sample_rate, warnings);
  if (sound.samples.empty()) throw UserError(name + ": empty: a sound without samples");
  std::vector<std::uint8_t> codes;
  std::transform(sound.samples.begin(), sound.samples.end(), std::back_inserter(codes),
                 mu_law_encode);
  return codes;
}

}  // namespace sparse_transformer
