#include "files/mp3.h"

#include <mpg123.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "config/errors.h"

namespace sparse_transformer {

namespace {

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// An ID3v2 tag before the frames: "ID3", 3 bytes, its size behind these 10 in 4 × 7 bits.
std::span<const std::byte> without_tag_in_front(std::span<const std::byte> bytes) {
  constexpr std::size_t kHeader = 10;
  if (bytes.size() < kHeader || !as_text(bytes).starts_with("ID3")) return bytes;
  std::size_t size = 0;
  for (std::size_t i = 6; i < kHeader; ++i) {
    size = size << 7 | (std::to_integer<std::size_t>(bytes[i]) & 0x7F);
  }
  return bytes.subspan(std::min(kHeader + size, bytes.size()));
}

std::size_t little_endian_at(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

/// Tags behind the frames: ID3v1 (128 bytes from "TAG"), and before that APEv2, whose last 32 bytes
/// are "APETAGEX", u32le version, size, entries, flags (the highest: there is a header, of 32 bytes
/// that the size leaves out) and 8 zeros.
std::span<const std::byte> without_tags_behind(std::span<const std::byte> bytes) {
  constexpr std::size_t kId3 = 128, kApe = 32;
  if (bytes.size() >= kId3 && as_text(bytes.last(kId3)).starts_with("TAG")) {
    bytes = bytes.first(bytes.size() - kId3);
  }
  if (bytes.size() >= kApe && as_text(bytes.last(kApe)).starts_with("APETAGEX")) {
    const auto footer = bytes.last(kApe);
    const std::size_t header = (little_endian_at(footer, 20) >> 31) * kApe;
    const std::size_t size = little_endian_at(footer, 12) + header;
    bytes = bytes.first(bytes.size() - std::min(size, bytes.size()));
  }
  return bytes;
}

/// Whether the first frame is not sound but says how many frames there are. The word stands behind
/// the frame's header (4 bytes, or 6 with a checksum) and its 9 to 32 bytes of side information.
bool declares_length(std::span<const std::byte> frames) {
  constexpr std::size_t kEnd = 6 + 32 + 4;
  const std::string_view start = as_text(frames.first(std::min(kEnd, frames.size())));
  return start.find("Xing") != std::string_view::npos ||
         start.find("Info") != std::string_view::npos;
}

struct MemoryFile {
  std::span<const std::byte> bytes;
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
  Mp3Decoder(std::span<const std::byte> bytes, std::string name)
      : name_(std::move(name)),
        file_{without_tags_behind(without_tag_in_front(bytes)), 0},
        handle_(mpg123_new(nullptr, nullptr)) {
    if (!handle_) throw std::runtime_error("cannot start the MP3 decoder");
    // A lost place in the file is an error, not something to look for further on.
    mpg123_param(handle_.get(), MPG123_ADD_FLAGS,
                 MPG123_QUIET | MPG123_NO_RESYNC | MPG123_FORCE_FLOAT, 0.0);
    check(mpg123_replace_reader_handle(handle_.get(), on_read, on_seek, nullptr));
    check(mpg123_open_handle(handle_.get(), &file_));
    long rate = 0;
    int channels = 0, encoding = 0;
    check(mpg123_getformat(handle_.get(), &rate, &channels, &encoding));
    properties_ = {.channels = channels, .sample_rate = rate, .comment = {}};
    if (declares_length(file_.bytes)) declared_ = mpg123_length(handle_.get());
  }

  const AudioProperties& properties() const override { return properties_; }

  std::int64_t read(std::span<float> out) override {
    std::size_t size = 0;
    const int result = mpg123_read(handle_.get(), out.data(), out.size_bytes(), &size);
    if (result != MPG123_DONE) check(result);
    const auto frames = static_cast<std::int64_t>(size / sizeof(float)) / properties_.channels;
    count_ += frames;
    if (frames == 0 && count_ < declared_.value_or(0)) fail("it ends early");
    return frames;
  }

 private:
  void check(int result) const {
    if (result == MPG123_NEW_FORMAT) fail("its rate or its channels change on the way");
    if (result != MPG123_OK) fail(mpg123_strerror(handle_.get()));
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
};

}  // namespace

bool is_mp3(std::span<const std::byte> bytes) {
  if (as_text(bytes).starts_with("ID3")) return true;
  // 11 bits of ones, 2 of the version, 2 of the layer (01 = III)
  return bytes.size() >= 4 && bytes[0] == std::byte{0xFF} &&
         (bytes[1] & std::byte{0xE6}) == std::byte{0xE2};
}

std::unique_ptr<AudioDecoder> open_mp3(std::span<const std::byte> bytes, const std::string& name) {
  return std::make_unique<Mp3Decoder>(bytes, name);
}

}  // namespace sparse_transformer
