#include "files/sndfile.h"

#include <sndfile.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "config/errors.h"
#include "files/audio.h"
#include "files/flac.h"
#include "files/ogg.h"
#include "files/sound_bytes.h"
#include "files/wav.h"

namespace sparse_transformer {

namespace {

/// A file in memory, as libsndfile's callbacks want it: to read `input` or to write `output`.
struct MemoryFile {
  std::span<const std::byte> input;
  std::vector<std::byte> output;
  sf_count_t position = 0;

  sf_count_t size() const { return std::ssize(input) + std::ssize(output); }
};

MemoryFile& file_of(void* pointer) { return *static_cast<MemoryFile*>(pointer); }

sf_count_t on_size(void* pointer) { return file_of(pointer).size(); }

sf_count_t on_tell(void* pointer) { return file_of(pointer).position; }

sf_count_t on_seek(sf_count_t offset, int whence, void* pointer) {
  MemoryFile& file = file_of(pointer);
  const sf_count_t origin = whence == SEEK_SET   ? 0
                            : whence == SEEK_CUR ? file.position
                                                 : file.size();
  file.position = std::clamp<sf_count_t>(offset, -origin, file.size() - origin) + origin;
  return file.position;
}

sf_count_t on_read(void* out, sf_count_t count, void* pointer) {
  MemoryFile& file = file_of(pointer);
  count = std::clamp<sf_count_t>(count, 0, std::ssize(file.input) - file.position);
  if (count > 0) {
    std::memcpy(out, file.input.data() + file.position, static_cast<std::size_t>(count));
  }
  file.position += count;
  return count;
}

sf_count_t on_write(const void* bytes, sf_count_t count, void* pointer) {
  MemoryFile& file = file_of(pointer);
  const auto end = static_cast<std::size_t>(file.position + count);
  file.output.resize(std::max(file.output.size(), end));
  std::memcpy(file.output.data() + file.position, bytes, static_cast<std::size_t>(count));
  file.position += count;
  return count;
}

struct CloseSound {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using OpenSound = std::unique_ptr<SNDFILE, CloseSound>;

OpenSound open_sound(MemoryFile& file, int mode, SF_INFO& info) {
  SF_VIRTUAL_IO callbacks{on_size, on_seek, on_read, on_write, on_tell};
  return OpenSound(sf_open_virtual(&callbacks, mode, &info, &file));
}

/// The samples of a WAV, without its header.
SF_INFO raw_format(const WavSound& sound) {
  constexpr std::array kIntegers = {SF_FORMAT_PCM_U8, SF_FORMAT_PCM_16, SF_FORMAT_PCM_24,
                                    SF_FORMAT_PCM_32};
  SF_INFO info{};
  info.channels = static_cast<int>(sound.properties.channels);
  info.samplerate = static_cast<int>(sound.properties.sample_rate);
  info.format = SF_FORMAT_RAW | SF_ENDIAN_LITTLE;
  switch (sound.encoding) {
    case WavSound::Encoding::kInteger:
      info.format |= kIntegers.at(static_cast<std::size_t>(sound.bytes) - 1);
      break;
    case WavSound::Encoding::kFloat:
      info.format |= sound.bytes == sizeof(float) ? SF_FORMAT_FLOAT : SF_FORMAT_DOUBLE;
      break;
    case WavSound::Encoding::kALaw:
      info.format |= SF_FORMAT_ALAW;
      break;
    case WavSound::Encoding::kMuLaw:
      info.format |= SF_FORMAT_ULAW;
      break;
  }
  return info;
}

/// A stream and what stands around it in the file.
struct Stream {
  std::span<const std::byte> bytes, rest;
  std::vector<std::string> warnings;
  bool has_lowest_bits = false;  // as WavSound
};

/// The lowest 24 of 32 bits as a sample in ±1. The sign may be missing above them.
float from_lowest_bits(float sample) {
  sample *= 256.0F;
  return sample >= 1.0F ? sample - 2.0F : sample;
}

class SndfileDecoder : public AudioDecoder {
 public:
  SndfileDecoder(Stream stream, SF_INFO info, std::string format, std::string name)
      : stream_(std::move(stream)),
        format_(std::move(format)),
        name_(std::move(name)),
        file_{stream_.bytes, {}, 0},
        sound_(open_sound(file_, SFM_READ, info)) {
    if (!sound_) fail("its header is damaged");
    properties_ = {.channels = info.channels, .sample_rate = info.samplerate};
    declared_ = info.frames;
  }

  const AudioProperties& properties() const override { return properties_; }

  std::int64_t read(std::span<float> out) override {
    const auto room = static_cast<sf_count_t>(out.size()) / properties_.channels;
    const sf_count_t frames = sf_readf_float(sound_.get(), out.data(), room);
    if (sf_error(sound_.get()) != SF_ERR_NO_ERROR) fail("it is damaged");
    count_ += frames;
    if (stream_.has_lowest_bits) {
      std::transform(out.begin(), out.begin() + frames * properties_.channels, out.begin(),
                     from_lowest_bits);
    }
    if (frames == 0 && declared_ != SF_COUNT_MAX && count_ != declared_) fail("it ends early");
    return frames;
  }

  std::span<const std::byte> rest() const override { return stream_.rest; }
  std::vector<std::string> warnings() const override { return stream_.warnings; }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw UserError(name_ + " is not a whole " + format_ + " file: " + reason);
  }

  Stream stream_;
  std::string format_, name_;
  MemoryFile file_;
  OpenSound sound_;
  AudioProperties properties_;
  sf_count_t declared_ = 0;  // frames; SF_COUNT_MAX where the file does not say
  sf_count_t count_ = 0;     // frames read
};

std::vector<std::byte> encode(const Sound& sound, int format) {
  MemoryFile file;
  SF_INFO info{};
  info.samplerate = static_cast<int>(sound.sample_rate);
  info.channels = 1;
  info.format = format | SF_FORMAT_PCM_16;
  OpenSound opened = open_sound(file, SFM_WRITE, info);
  if (!opened) throw std::logic_error(std::string("cannot encode sound: ") + sf_strerror(nullptr));
  if (!sound.comment.empty()) sf_set_string(opened.get(), SF_STR_COMMENT, sound.comment.c_str());
  sf_command(opened.get(), SFC_UPDATE_HEADER_NOW, nullptr, 0);  // else no samples are no FLAC
  const auto count = std::ssize(sound.samples);
  if (sf_write_short(opened.get(), sound.samples.data(), count) != count) {
    throw std::runtime_error(std::string("cannot encode sound: ") + sf_strerror(opened.get()));
  }
  opened.reset();  // writes the sizes into the header
  return std::move(file.output);
}

}  // namespace

std::unique_ptr<AudioDecoder> open_wav(std::span<const std::byte> bytes, const std::string& name) {
  const WavSound sound = find_wav_sound(bytes, name);
  return std::make_unique<SndfileDecoder>(
      Stream{sound.data, sound.rest, sound.warnings, sound.has_lowest_bits}, raw_format(sound),
      "WAV", name);
}

std::unique_ptr<AudioDecoder> open_ogg(std::span<const std::byte> bytes, const std::string& name) {
  const auto first = first_ogg_stream(bytes, name);
  constexpr std::size_t kPageHeader = 28;  // of a page that holds one segment, as the first does
  const auto content = as_text(first).substr(std::min(first.size(), kPageHeader));
  if (content.starts_with("\177FLAC"))
    return open_ogg_flac(first, bytes.subspan(first.size()), name);
  return std::make_unique<SndfileDecoder>(Stream{first, bytes.subspan(first.size()), {}}, SF_INFO{},
                                          "OGG", name);
}

std::vector<std::byte> encode_wav(const Sound& sound) { return encode(sound, SF_FORMAT_WAV); }

std::vector<std::byte> encode_flac(const Sound& sound) { return encode(sound, SF_FORMAT_FLAC); }

}  // namespace sparse_transformer
