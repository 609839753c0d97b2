#include "files/wav.h"

#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <type_traits>

#include "config/errors.h"

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
  file.position = std::clamp<sf_count_t>(origin + offset, 0, file.size());
  return file.position;
}

sf_count_t on_read(void* out, sf_count_t count, void* pointer) {
  MemoryFile& file = file_of(pointer);
  count = std::clamp<sf_count_t>(count, 0, std::ssize(file.input) - file.position);
  std::memcpy(out, file.input.data() + file.position, static_cast<std::size_t>(count));
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

/// libsndfile reads what is left of a cut file without a word. The RIFF header says how long it
/// was; 0xFFFFFFFF stands for "unknown" in files that were written to a pipe.
void check_whole(std::span<const std::byte> bytes, const std::string& name) {
  constexpr std::size_t kHeader = 12;  // "RIFF", u32le bytes that follow, "WAVE"
  constexpr std::uint32_t kUnknown = 0xFFFFFFFF;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.size() < kHeader || !text.starts_with("RIFF") || text.substr(8, 4) != "WAVE") {
    throw UserError(name + " is not a WAV file");
  }
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 4, sizeof length);
  if (length != kUnknown && length > bytes.size() - 8) {
    throw UserError(name + " is not a whole WAV file: it is cut off");
  }
}

std::int16_t to_16_bits(float sample) {
  return static_cast<std::int16_t>(std::clamp(std::lrint(sample * 32768.0F), -32768L, 32767L));
}

/// Reads in blocks, because a damaged header may promise more frames than memory holds.
std::vector<std::int16_t> read_samples(SNDFILE* file, int channels) {
  constexpr sf_count_t kFrames = 4096;
  std::vector<float> block(static_cast<std::size_t>(kFrames * channels));
  std::vector<std::int16_t> samples;
  while (const sf_count_t frames = sf_readf_float(file, block.data(), kFrames)) {
    for (sf_count_t i = 0; i < frames; ++i) {
      const float* frame = block.data() + i * channels;
      const float sum = std::accumulate(frame, frame + channels, 0.0F);
      samples.push_back(to_16_bits(sum / static_cast<float>(channels)));
    }
  }
  return samples;
}

}  // namespace

std::vector<std::byte> encode_wav(const Sound& sound) {
  MemoryFile file;
  SF_INFO info{};
  info.samplerate = static_cast<int>(sound.sample_rate);
  info.channels = 1;
  info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
  OpenSound wav = open_sound(file, SFM_WRITE, info);
  if (!wav) throw std::logic_error(std::string("cannot encode a WAV: ") + sf_strerror(nullptr));
  if (!sound.comment.empty()) sf_set_string(wav.get(), SF_STR_COMMENT, sound.comment.c_str());
  const auto count = std::ssize(sound.samples);
  if (sf_write_short(wav.get(), sound.samples.data(), count) != count) {
    throw std::runtime_error(std::string("cannot encode a WAV: ") + sf_strerror(wav.get()));
  }
  wav.reset();  // writes the sizes into the header
  return std::move(file.output);
}

Sound decode_wav(std::span<const std::byte> bytes, const std::string& name) {
  check_whole(bytes, name);
  MemoryFile file{bytes, {}, 0};
  SF_INFO info{};
  const OpenSound wav = open_sound(file, SFM_READ, info);
  if (!wav) throw UserError(name + " is not a whole WAV file: " + sf_strerror(nullptr));
  Sound sound;
  sound.sample_rate = info.samplerate;
  sound.samples = read_samples(wav.get(), info.channels);
  if (std::ssize(sound.samples) != info.frames) {
    throw UserError(name + " is not a whole WAV file: it ends early");
  }
  const char* comment = sf_get_string(wav.get(), SF_STR_COMMENT);
  if (comment != nullptr) sound.comment = comment;
  return sound;
}

}  // namespace sparse_transformer
