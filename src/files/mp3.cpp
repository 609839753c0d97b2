#include "files/mp3.h"

#include <mpg123.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "config/errors.h"
#include "files/big_endian.h"
#include "files/sound_bytes.h"
#include "files/sound_tags.h"

namespace sparse_transformer {

namespace {

using Bytes = std::span<const std::byte>;

/// The header of a frame: 11 bits of ones, 2 of the version (01 is none), 2 of the layer (01 = III,
/// 00 is none), 1 of a checksum; 4 bits of the bit rate (1111 is none), 2 of the sampling rate (11
/// is none), 1 of padding, 1 without meaning.
struct FrameHeader {
  unsigned version = 0, layer = 0, bit_rate = 0, sampling_rate = 0, padding = 0;

  static std::optional<FrameHeader> read(Bytes bytes) {
    if (bytes.size() < 4 || bytes[0] != std::byte{0xFF}) return std::nullopt;
    const auto second = std::to_integer<unsigned>(bytes[1]);
    const auto third = std::to_integer<unsigned>(bytes[2]);
    const FrameHeader header{.version = second >> 3U & 3U,
                             .layer = 4U - (second >> 1U & 3U),
                             .bit_rate = third >> 4U,
                             .sampling_rate = third >> 2U & 3U,
                             .padding = third >> 1U & 1U};
    const bool is_frame = second >= 0xE0 && header.version != 1 && header.layer != 4 &&
                          header.bit_rate != 15 && header.sampling_rate != 3;
    return is_frame ? std::optional(header) : std::nullopt;
  }

  /// The bytes of the frame; 0 where only the next one tells (bit rate 0).
  std::size_t size() const {
    using Rates = std::array<std::size_t, 15>;  // thousands of bits a second
    constexpr std::array<Rates, 3> kRates1 = {
        Rates{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
        Rates{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
        Rates{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}};
    constexpr Rates kRates2 = {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160};
    constexpr Rates kRates2Layer1 = {0,   32,  48,  56,  64,  80,  96, 112,
                                     128, 144, 160, 176, 192, 224, 256};
    constexpr std::array<std::size_t, 3> kSamplingRates = {44100, 48000, 32000};
    const bool is_first = version == 3;
    const Rates& rates = is_first ? kRates1.at(layer - 1) : layer == 1 ? kRates2Layer1 : kRates2;
    const std::size_t bits = rates.at(bit_rate) * 1000;
    const std::size_t rate = kSamplingRates.at(sampling_rate) / (is_first       ? 1
                                                                 : version == 2 ? 2
                                                                                : 4);
    if (bits == 0) return 0;
    if (layer == 1) return (12 * bits / rate + padding) * 4;
    return (layer == 3 && !is_first ? 72 : 144) * bits / rate + padding;
  }

  bool is_alike(const FrameHeader& other) const {
    return version == other.version && layer == other.layer && sampling_rate == other.sampling_rate;
  }
};

/// Whether this many frames like one another begin here.
bool begins_with_frames(Bytes bytes, int count) {
  const auto first = FrameHeader::read(bytes);
  for (auto frame = first; frame && frame->is_alike(*first); frame = FrameHeader::read(bytes)) {
    if (--count == 0) return true;
    if (frame->size() == 0 || frame->size() > bytes.size()) return false;
    bytes = bytes.subspan(frame->size());
  }
  return false;
}

bool is_single_frame(Bytes bytes) {
  const auto frame = FrameHeader::read(bytes);
  return frame && frame->size() == without_tags_after(bytes).size();
}

bool has_frames(Bytes bytes) {
  bytes = without_tags_after(without_tags_before(bytes));
  for (; bytes.size() >= 4; bytes = bytes.subspan(1)) {
    if (begins_with_frames(bytes, 2)) return true;
  }
  return false;
}

/// Whether the first frame is not sound but says how many frames there are. After its header (4
/// bytes, or 6 with a checksum) and 9 to 32 bytes of side information a word stands, and u32be
/// flags, the lowest of which is for the count.
bool declares_length(Bytes frames) {
  constexpr std::size_t kEnd = 6 + 32 + 12;
  const std::string_view start = as_text(frames.first(std::min(kEnd, frames.size())));
  const std::size_t word = std::min(start.find("Xing"), start.find("Info"));
  if (word == start.npos || word + 12 > start.size()) return false;
  return (start[word + 7] & 1) != 0 && big_endian(frames.subspan(word + 8)) > 0;
}

struct MemoryFile {
  Bytes bytes;
  off_t position = 0;
};

ssize_t on_read(void* pointer, void* out, std::size_t count) {
  auto& file = *static_cast<MemoryFile*>(pointer);
  const auto rest = file.bytes.subspan(static_cast<std::size_t>(file.position));
  count = std::min(count, rest.size());
  if (count > 0) std::memcpy(out, rest.data(), count);
  file.position += static_cast<off_t>(count);
  return static_cast<ssize_t>(count);
}

off_t on_seek(void* pointer, off_t offset, int whence) {
  auto& file = *static_cast<MemoryFile*>(pointer);
  const off_t end = std::ssize(file.bytes);
  const off_t origin = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file.position : end;
  file.position = std::clamp<off_t>(offset, -origin, end - origin) + origin;
  return file.position;
}

struct DeleteHandle {
  void operator()(mpg123_handle* handle) const { mpg123_delete(handle); }
};

class Mp3Decoder : public AudioDecoder {
 public:
  Mp3Decoder(Bytes bytes, std::string name)
      : name_(std::move(name)), file_{bytes, 0}, handle_(mpg123_new(nullptr, nullptr)) {
    if (!handle_) throw std::runtime_error("cannot start the MP3 decoder");
    // A lost place in the file is an error, not something to look for further on. A single channel
    // is given twice, so that the number of channels may change.
    long flags = MPG123_QUIET | MPG123_NO_RESYNC | MPG123_FORCE_FLOAT | MPG123_FORCE_STEREO;
    if (is_single_frame(bytes)) flags |= MPG123_NO_READAHEAD;  // for a frame like it
    mpg123_param(handle_.get(), MPG123_ADD_FLAGS, flags, 0.0);
    check(mpg123_replace_reader_handle(handle_.get(), on_read, on_seek, nullptr));
    check(mpg123_open_handle(handle_.get(), &file_));
    long rate = 0;
    int channels = 0, encoding = 0;
    check(mpg123_getformat(handle_.get(), &rate, &channels, &encoding));
    properties_ = {.channels = channels, .sample_rate = rate};
    if (declares_length(file_.bytes)) declared_ = mpg123_length(handle_.get());
  }

  const AudioProperties& properties() const override { return properties_; }

  std::int64_t read(std::span<float> out) override {
    std::size_t size = 0;
    while (size == 0 && !rest_) {
      const int result = mpg123_read(handle_.get(), out.data(), out.size_bytes(), &size);
      if (result != MPG123_OK) end(result);
    }
    const auto frames = static_cast<std::int64_t>(size / sizeof(float)) / properties_.channels;
    count_ += frames;
    if (frames == 0 && count_ < declared_.value_or(0)) fail("it ends early");
    return frames;
  }

  Bytes rest() const override { return rest_.value_or(Bytes{}); }

 private:
  /// Ends the stream where `result` says that no frame like those so far follows. Where a frame
  /// does follow later, the bytes between are damaged.
  void end(int result) {
    const off_t last = mpg123_framepos(handle_.get());
    mpg123_frameinfo info{};
    mpg123_info(handle_.get(), &info);
    if (result == MPG123_NEW_FORMAT) {
      rest_ = file_.bytes.subspan(static_cast<std::size_t>(last));
      if (!begins_with_frames(*rest_, 2)) fail("a frame is damaged");
    } else {
      const auto size = static_cast<std::size_t>(last + info.framesize);
      rest_ = file_.bytes.subspan(std::min(size, file_.bytes.size()));
      if (result != MPG123_DONE && (!is_lost(result) || has_frames(*rest_))) check(result);
    }
  }

  /// Whether what follows is no frame, or a part of one.
  bool is_lost(int result) const {
    const int reason = result == MPG123_ERR ? mpg123_errcode(handle_.get()) : MPG123_OK;
    return reason == MPG123_OUT_OF_SYNC || reason == MPG123_ERR_READER;
  }

  void check(int result) const {
    if (result != MPG123_OK) fail("it is damaged");
  }
  [[noreturn]] void fail(const std::string& reason) const {
    throw UserError(name_ + " is not a whole MP3 file: " + reason);
  }

  std::string name_;
  MemoryFile file_;
  std::unique_ptr<mpg123_handle, DeleteHandle> handle_;
  AudioProperties properties_;
  std::optional<std::int64_t> declared_;  // frames
  std::int64_t count_ = 0;                // frames read
  std::optional<Bytes> rest_;             // from the end on
};

}  // namespace

bool is_mp3(Bytes bytes) {
  const auto header = FrameHeader::read(bytes);
  return header && (header->layer != 1 || begins_with_frames(bytes, 2));
}

Bytes from_first_mp3_frame(Bytes bytes) {
  constexpr int kSure = 3;  // by chance once in 2^41 bytes
  while (bytes.size() >= 4 && !begins_with_frames(bytes, kSure)) bytes = bytes.subspan(1);
  return bytes.size() < 4 ? Bytes{} : bytes;
}

std::unique_ptr<AudioDecoder> open_mp3(Bytes bytes, const std::string& name) {
  return std::make_unique<Mp3Decoder>(bytes, name);
}

}  // namespace sparse_transformer
