#include "files/mp3.h"

#include <mpg123.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <vector>

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

/// The place in a frame at which it says how many frames there are, where it is not sound but says
/// this: after a header, perhaps a checksum, and side information of zeros "Xing" or "Info" stands,
/// u32be flags, and the numbers that the flags stand for.
std::optional<std::size_t> place_of_counts(Bytes frame) {
  constexpr std::size_t kEnd = 6 + 32 + 16;  // of the longest header and the first two numbers
  const std::string_view start = as_text(frame.first(std::min(kEnd, frame.size())));
  const std::size_t word = std::min(start.find("Xing"), start.find("Info"));
  constexpr std::size_t kSideInformation = 6;
  if (word == start.npos || word < kSideInformation || word + 16 > start.size()) {
    return std::nullopt;
  }
  const std::string_view zeros = start.substr(kSideInformation, word - kSideInformation);
  return zeros.find_first_not_of('\0') == zeros.npos ? std::optional(word + 8) : std::nullopt;
}

/// What the first frame says of the others, and what is there.
struct Counts {
  std::size_t place = 0;                  // of the number of frames, in the file
  std::uint64_t declared = 0, found = 0;  // frames beside the first
  bool is_cut = false;                    // frames are missing at the end

  /// Encoders count the first frame too, or do not.
  bool differs() const { return declared != found && declared != found + 1; }
};

/// None where the first frame does not say how many there are, or where their sizes are unknown.
std::optional<Counts> counts_of(Bytes bytes) {
  constexpr std::uint32_t kHasFrames = 1, kHasBytes = 2, kUnknown = 0xFFFFFFFF;
  const auto place = place_of_counts(bytes);
  if (!place) return std::nullopt;
  const std::uint32_t flags = big_endian(bytes.subspan(*place - 4));
  Counts counts{.place = *place, .declared = big_endian(bytes.subspan(*place))};
  if ((flags & kHasFrames) == 0 || counts.declared == 0) return std::nullopt;

  const auto first = FrameHeader::read(bytes);
  Bytes rest = bytes;
  auto frame = first;
  while (frame && frame->is_alike(*first) && frame->size() > 0 && frame->size() <= rest.size()) {
    if (rest.size() < bytes.size() && place_of_counts(rest)) break;  // of another file
    if (rest.size() < bytes.size()) ++counts.found;
    rest = rest.subspan(frame->size());
    frame = FrameHeader::read(rest);
  }
  if (frame && frame->size() == 0) return std::nullopt;
  const std::uint32_t size = (flags & kHasBytes) != 0 ? big_endian(bytes.subspan(*place + 4)) : 0;
  const bool is_short = size != kUnknown && size > bytes.size() - rest.size();
  const bool has_part = !rest.empty() && rest[0] == std::byte{0xFF} &&
                        (rest.size() < 4 || (frame && frame->size() > rest.size()));
  counts.is_cut = counts.declared > counts.found && (is_short || has_part) && !has_frames(rest);
  return counts;
}

struct MemoryFile {
  Bytes bytes;
  std::vector<std::byte> start;  // in place of the same bytes
  off_t position = 0;
};

ssize_t on_read(void* pointer, void* out, std::size_t count) {
  auto& file = *static_cast<MemoryFile*>(pointer);
  const auto position = static_cast<std::size_t>(file.position);
  const Bytes from = position < file.start.size() ? Bytes(file.start) : file.bytes;
  const Bytes rest = from.subspan(position);
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
      : name_(std::move(name)), file_{bytes, {}, 0}, handle_(mpg123_new(nullptr, nullptr)) {
    if (!handle_) throw std::runtime_error("cannot start the MP3 decoder");
    // A lost place in the file is an error, not something to look for further on. A single channel
    // is given twice, so that the number of channels may change.
    long flags = MPG123_QUIET | MPG123_NO_RESYNC | MPG123_FORCE_FLOAT | MPG123_FORCE_STEREO;
    if (is_single_frame(bytes)) flags |= MPG123_NO_READAHEAD;  // for a frame like it
    mpg123_param(handle_.get(), MPG123_ADD_FLAGS, flags, 0.0);
    read_counts();
    check(mpg123_replace_reader_handle(handle_.get(), on_read, on_seek, nullptr));
    check(mpg123_open_handle(handle_.get(), &file_));
    long rate = 0;
    int channels = 0, encoding = 0;
    check(mpg123_getformat(handle_.get(), &rate, &channels, &encoding));
    properties_ = {.channels = channels, .sample_rate = rate};
    if (!file_.start.empty()) declared_ = mpg123_length(handle_.get());
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
  std::vector<std::string> warnings() const override { return warnings_; }

 private:
  /// libmpg123 cuts off at the number of frames in the first one what the encoder added at the end.
  /// It gets the number that are there.
  void read_counts() {
    const auto counts = counts_of(file_.bytes);
    if (!counts) return;
    if (counts->is_cut) fail("it ends early");
    if (counts->differs()) {
      warnings_.push_back("its header gives the sound " + std::to_string(counts->declared) +
                          " frames, the file has " + std::to_string(counts->found) +
                          ", all of which are read");
    }
    constexpr std::size_t kNumber = 4;
    file_.start.assign(file_.bytes.begin(),
                       file_.bytes.begin() + static_cast<std::ptrdiff_t>(counts->place + kNumber));
    for (std::size_t i = 0; i < kNumber; ++i) {
      file_.start[counts->place + i] = static_cast<std::byte>(counts->found >> (24 - 8 * i));
    }
  }

  /// Ends the stream where `result` says that no frame like those so far follows. Where a frame
  /// does follow later, the bytes between are damaged.
  void end(int result) {
    const off_t last = mpg123_framepos(handle_.get());
    mpg123_frameinfo info{};
    mpg123_info(handle_.get(), &info);
    if (result == MPG123_NEW_FORMAT) {
      rest_ = file_.bytes.subspan(static_cast<std::size_t>(last));
      if (!begins_with_frames(*rest_, 2)) fail_at(last);
    } else {
      const auto size = static_cast<std::size_t>(last + info.framesize);
      rest_ = file_.bytes.subspan(std::min(size, file_.bytes.size()));
      if (result != MPG123_DONE && (!is_lost(result) || has_frames(*rest_)))
        fail_at(last + info.framesize);
    }
  }

  /// Whether what follows is no frame, or a part of one.
  bool is_lost(int result) const {
    const int reason = result == MPG123_ERR ? mpg123_errcode(handle_.get()) : MPG123_OK;
    return reason == MPG123_OUT_OF_SYNC || reason == MPG123_ERR_READER;
  }

  void check(int result) const {
    if (result != MPG123_OK) fail("its first frame is damaged");
  }
  [[noreturn]] void fail_at(off_t byte) const {
    fail("damaged in the middle: no frame begins at byte " + std::to_string(byte) +
         " of its sound");
  }
  [[noreturn]] void fail(const std::string& reason) const {
    throw UserError(name_ + " is not a whole MP3 file: " + reason);
  }

  std::string name_;
  MemoryFile file_;
  std::unique_ptr<mpg123_handle, DeleteHandle> handle_;
  AudioProperties properties_;
  std::vector<std::string> warnings_;
  std::optional<std::int64_t> declared_;  // samples of a channel
  std::int64_t count_ = 0;                // of them read
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
