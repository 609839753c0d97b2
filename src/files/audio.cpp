#include "files/audio.h"

#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string_view>

#include "config/errors.h"
#include "files/audio_decoder.h"
#include "files/flac.h"
#include "files/mp3.h"
#include "files/sndfile.h"
#include "files/sound_bytes.h"
#include "files/sound_kind.h"
#include "files/sound_tags.h"
#include "files/wav.h"

namespace sparse_transformer {

namespace {

constexpr std::size_t kMaxSamples = std::size_t{1} << 28;  // of decode_sound()
constexpr std::size_t kBlock = 4096;                       // frames decoded at a time

using Bytes = std::span<const std::byte>;
using Open = std::unique_ptr<AudioDecoder> (*)(Bytes, const std::string&);

/// How to open what begins here; none where it is no sound, or of a kind that is not read.
Open opener_of(Bytes bytes) {
  if (is_wav(bytes)) return open_wav;
  if (as_text(bytes).starts_with("fLaC")) return open_flac;
  if (as_text(bytes).starts_with("OggS")) return open_ogg;
  if (is_mp3(bytes)) return open_mp3;
  return nullptr;
}

[[noreturn]] void refuse(std::string_view kind, const std::string& name) {
  throw UserError(name +
                  (kind.empty() ? " is not a sound file" : ": a file of " + std::string(kind)) +
                  "; expected WAV, FLAC, OGG or MP3");
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
    if (error != nullptr) {
      throw std::runtime_error("cannot resample sound of " + std::to_string(from) +
                               " samples a second to " + std::to_string(to));
    }
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

SoundReader::SoundReader(Bytes bytes, const std::string& name, std::int64_t sample_rate)
    : name_(name), sample_rate_(sample_rate) {
  const Bytes sound = without_tags_before(bytes);
  if (const Open open = opener_of(sound)) {
    begin(open(sound, name));
    return;
  }
  const std::string_view kind = std::max(kind_not_read(bytes), kind_not_read(sound));
  const Bytes frames = kind.empty() ? from_first_mp3_frame(bytes) : Bytes{};
  if (frames.empty()) refuse(kind, name);
  warnings_.push_back(name + ": " + std::to_string(bytes.size() - frames.size()) +
                      " bytes before its sound are left out");
  begin(open_mp3(frames, name));
}

SoundReader::~SoundReader() = default;

void SoundReader::begin(std::unique_ptr<AudioDecoder> decoder) {
  decoder_ = std::move(decoder);
  const AudioProperties& found = decoder_->properties();
  check_properties(found, name_);
  frames_.resize(kBlock * static_cast<std::size_t>(found.channels));
  resampler_.reset();
  if (found.sample_rate != sample_rate_) {
    resampler_ = std::make_unique<Resampler>(found.sample_rate, sample_rate_);
  }
}

bool SoundReader::begin_next() {
  if (!decoder_) return false;
  for (const std::string& warning : decoder_->warnings()) {
    warnings_.push_back(name_ + ": " + warning);
  }
  const Bytes after = decoder_->rest();
  const Bytes rest = without_tags_before(without_tags_after(after));
  const Open open = opener_of(rest);
  // By chance a byte or two look like a frame.
  const bool is_chance = open == open_mp3 && from_first_mp3_frame(rest).size() != rest.size();
  if (open != nullptr && !is_chance) {
    begin(open(without_tags_before(after), name_));
    return true;
  }
  if (!rest.empty()) {
    warnings_.push_back(name_ + ": " + std::to_string(rest.size()) +
                        " bytes after its sound are left out");
  }
  decoder_.reset();
  return false;
}

void SoundReader::read_mono() {
  mono_.clear();
  if (!decoder_) return;
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
  bool is_more = true;
  while (ready_.empty() && is_more) {  // the resampler may hold back all of a block
    read_mono();
    is_more = !mono_.empty();
    if (resampler_) {
      resampler_->process(mono_, ready_);
    } else {
      ready_.swap(mono_);
    }
    if (!is_more) is_more = begin_next();
  }
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

Sound decode_sound(Bytes bytes, const std::string& name, std::int64_t sample_rate,
                   std::vector<std::string>* warnings) {
  SoundReader reader(bytes, name, sample_rate);
  Sound sound = {.sample_rate = sample_rate, .samples = {}, .comment = {}};
  std::vector<std::int16_t> block(kBlock);
  while (const std::size_t count = reader.read(block)) {
    sound.samples.insert(sound.samples.end(), block.data(), block.data() + count);
    if (sound.samples.size() > kMaxSamples) {
      throw UserError(name + ": more sound than the " + std::to_string(kMaxSamples) +
                      " samples that fit in memory");
    }
  }
  if (warnings != nullptr) {
    warnings->insert(warnings->end(), reader.warnings().begin(), reader.warnings().end());
  }
  return sound;
}

}  // namespace sparse_transformer
