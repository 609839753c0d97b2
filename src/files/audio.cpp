#include "files/audio.h"

#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string_view>

#include "config/errors.h"
#include "files/audio_decoder.h"
#include "files/mp3.h"
#include "files/sndfile.h"

namespace sparse_transformer {

namespace {

constexpr std::int64_t kMaxChannels = 64;
constexpr std::int64_t kMinRate = 1'000, kMaxRate = 768'000;
constexpr std::size_t kMaxSamples = std::size_t{1} << 28;  // of decode_sound()
constexpr std::size_t kBlock = 4096;                       // frames decoded at a time

std::unique_ptr<AudioDecoder> open_decoder(std::span<const std::byte> bytes,
                                           const std::string& name) {
  if (is_mp3(bytes)) return open_mp3(bytes, name);
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min<std::size_t>(bytes.size(), 4));
  if (start != "RIFF" && start != "fLaC" && start != "OggS") {
    throw UserError(name + " is not a sound file; expected WAV, FLAC, OGG or MP3");
  }
  return open_sndfile(bytes, name);
}

void check_properties(const AudioProperties& found, const std::string& name) {
  if (found.channels < 1 || found.channels > kMaxChannels) {
    throw UserError(name + ": " + std::to_string(found.channels) +
                    " channels of sound, expected 1 to " + std::to_string(kMaxChannels));
  }
  if (found.sample_rate < kMinRate || found.sample_rate > kMaxRate) {
    throw UserError(name + ": sound of " + std::to_string(found.sample_rate) +
                    " samples a second, expected " + std::to_string(kMinRate) + " to " +
                    std::to_string(kMaxRate));
  }
}

std::int16_t to_16_bits(float sample) {
  const float scaled = std::clamp(sample, -1.0F, 1.0F) * 32768.0F;
  return static_cast<std::int16_t>(std::min(std::lrint(scaled), 32767L));
}

struct DeleteSoxr {
  void operator()(soxr* opened) const { soxr_delete(opened); }
};

}  // namespace

/// One channel at another rate, as a stream.
class Resampler {
 public:
  Resampler(std::int64_t from, std::int64_t to) {
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    soxr_error_t error = nullptr;
    soxr_.reset(soxr_create(static_cast<double>(from), static_cast<double>(to), 1, &error, nullptr,
                            &quality, nullptr));
    if (error != nullptr) throw std::runtime_error(std::string("cannot resample: ") + error);
  }

  /// Appends to `out` what `in` adds to the sound; nothing in stands for the end of it.
  void process(std::span<const float> in, std::vector<float>& out) {
    const float* unread = in.empty() ? nullptr : in.data();
    std::size_t left = in.size(), used = 0, made = 0;
    do {
      const std::size_t before = out.size();
      out.resize(before + kBlock);
      soxr_process(soxr_.get(), unread, left, &used, out.data() + before, kBlock, &made);
      out.resize(before + made);
      if (unread != nullptr) unread += used;
      left -= used;
    } while (left > 0 || made == kBlock);
  }

 private:
  std::unique_ptr<soxr, DeleteSoxr> soxr_;
};

SoundReader::SoundReader(std::span<const std::byte> bytes, const std::string& name,
                         std::int64_t sample_rate)
    : name_(name), decoder_(open_decoder(bytes, name)) {
  const AudioProperties& found = decoder_->properties();
  check_properties(found, name);
  frames_.resize(kBlock * static_cast<std::size_t>(found.channels));
  if (found.sample_rate != sample_rate) {
    resampler_ = std::make_unique<Resampler>(found.sample_rate, sample_rate);
  }
}

SoundReader::~SoundReader() = default;

const std::string& SoundReader::comment() const { return decoder_->properties().comment; }

void SoundReader::read_mono() {
  const auto channels = static_cast<std::size_t>(decoder_->properties().channels);
  mono_.resize(static_cast<std::size_t>(decoder_->read(frames_)));
  for (std::size_t i = 0; i < mono_.size(); ++i) {
    const float* frame = frames_.data() + i * channels;
    mono_[i] = std::accumulate(frame, frame + channels, 0.0F) / static_cast<float>(channels);
    if (!std::isfinite(mono_[i])) {
      throw UserError(name_ + ": damaged sound: a sample is not a number");
    }
  }
}

void SoundReader::refill() {
  taken_ = 0;
  ready_.clear();
  do {  // the resampler may hold back all of a block
    read_mono();
    if (resampler_) {
      resampler_->process(mono_, ready_);
    } else {
      ready_.swap(mono_);
    }
  } while (ready_.empty() && !mono_.empty());
}

std::size_t SoundReader::read(std::span<std::int16_t> out) {
  std::size_t count = 0;
  while (count < out.size()) {
    if (taken_ == ready_.size()) refill();
    if (ready_.empty()) break;
    const std::size_t part = std::min(out.size() - count, ready_.size() - taken_);
    const float* first = ready_.data() + taken_;
    std::transform(first, first + part, out.data() + count, to_16_bits);
    taken_ += part;
    count += part;
  }
  return count;
}

Sound decode_sound(std::span<const std::byte> bytes, const std::string& name,
                   std::int64_t sample_rate) {
  SoundReader reader(bytes, name, sample_rate);
  Sound sound = {.sample_rate = sample_rate, .samples = {}, .comment = reader.comment()};
  std::vector<std::int16_t> block(kBlock);
  while (const std::size_t count = reader.read(block)) {
    sound.samples.insert(sound.samples.end(), block.data(), block.data() + count);
    if (sound.samples.size() > kMaxSamples) {
      throw UserError(name + ": more sound than the " + std::to_string(kMaxSamples) +
                      " samples that fit in memory");
    }
  }
  return sound;
}

}  // namespace sparse_transformer
