#include "files/wav.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>

#include "config/errors.h"
#include "files/sound_bytes.h"
#include "files/sound_tags.h"

namespace sparse_transformer {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kFileHeader = 12;  // "RIFF", u32le bytes that follow, "WAVE"
constexpr std::size_t kChunkHeader = 8;  // four characters, u32le bytes that follow

/// The bytes from `offset` on: none where that is beyond the end.
Bytes from(Bytes bytes, std::size_t offset) {
  return bytes.subspan(std::min(offset, bytes.size()));
}

std::size_t chunk_size(Bytes chunk) { return number_at<std::uint32_t>(chunk, 4); }

/// What follows a chunk's content of this size. A chunk of odd size has a zero behind it, which
/// some programs forget.
Bytes after_content(Bytes content, std::size_t size) {
  const Bytes next = from(content, size);
  return size % 2 == 1 && !next.empty() && next[0] == std::byte{0} ? next.subspan(1) : next;
}

/// Whether it begins with four letters and a size that fits. Neither more samples nor a whole file
/// in the place of a chunk are passed over as one.
bool is_chunk(Bytes bytes) {
  if (bytes.size() < kChunkHeader || is_wav(bytes)) return false;
  const std::string_view letters = as_text(bytes).substr(0, 4);
  if (letters == "data") return false;
  const auto is_printable = [](char letter) { return letter >= ' ' && letter <= '~'; };
  return std::all_of(letters.begin(), letters.end(), is_printable) &&
         chunk_size(bytes) <= bytes.size() - kChunkHeader;
}

/// The bytes without the chunks and tags that they begin with.
Bytes without_chunks(Bytes bytes) {
  while (is_chunk(bytes)) {
    bytes = after_content(bytes.subspan(kChunkHeader), chunk_size(bytes));
  }
  return bytes;
}

/// Whether these bytes can follow the samples: nothing, chunks, tags, more samples or another file.
bool can_follow_samples(Bytes bytes) {
  const Bytes rest = without_tags_after(without_chunks(bytes));
  return rest.empty() || is_wav(rest) || as_text(rest).starts_with("data");
}

/// The size of samples that are followed by chunks which fill the file to its end, or by tags, or
/// by nothing.
std::size_t size_to_next_chunk(Bytes samples) {
  samples = without_tags_after(samples);
  constexpr std::size_t kFarthest = std::size_t{16} << 20;  // what follows samples is short
  constexpr std::array<std::string_view, 12> kKnown = {"LIST", "id3 ", "ID3 ", "bext",
                                                       "iXML", "_PMX", "cue ", "smpl",
                                                       "inst", "fact", "PEAK", "afsp"};
  std::size_t begin = samples.size() - std::min(samples.size(), kFarthest);
  for (begin += begin % 2; begin + kChunkHeader <= samples.size(); begin += 2) {
    const Bytes chunk = samples.subspan(begin);
    const bool is_known =
        std::find(kKnown.begin(), kKnown.end(), as_text(chunk).substr(0, 4)) != kKnown.end();
    if (is_known && is_chunk(chunk) && without_chunks(chunk).empty()) return begin;
  }
  return samples.size();
}

/// What programs write that do not know the size: 0, or the largest number of 31 or 32 bits less
/// some header or rounding.
bool says_nothing(std::uint64_t size) {
  const std::uint64_t low = size & 0x7FFFFFFF;
  return low == 0 || low >= 0x7FFFE000;
}

/// A file's chunks up to its samples.
struct Header {
  Bytes format;                            // the content of "fmt "
  std::optional<std::uint64_t> long_size;  // of the samples, in RF64 and BW64
  Bytes data;                              // the chunk "data" and all that follows
};

Header read_header(Bytes file, const std::string& name) {
  Header header;
  for (Bytes rest = from(file, kFileHeader); rest.size() >= kChunkHeader;) {
    const std::string_view text = as_text(rest);
    const Bytes content = rest.subspan(kChunkHeader);
    if (text.starts_with("data")) {
      header.data = rest;
      break;
    }
    const std::size_t size = std::min(chunk_size(rest), content.size());
    if (text.starts_with("fmt ") && header.format.empty()) header.format = content.first(size);
    // u64le bytes of the file, bytes of samples, …
    if (text.starts_with("ds64") && size >= 16)
      header.long_size = number_at<std::uint64_t>(content, 8);
    rest = after_content(content, size);
  }
  if (header.data.empty()) throw UserError(name + " is not a whole WAV file: it has no samples");
  return header;
}

/// Sets how the samples are encoded, from the content of "fmt ": u16le encoding, channels, u32le
/// rate, bytes a second, u16le bytes a frame, bits a sample; and in an extended one u16le size,
/// bits that are used, u32le places of the speakers, u16le encoding and 14 bytes more.
void read_format(Bytes format, WavSound& sound, const std::string& name) {
  constexpr std::size_t kShort = 16, kLong = 40;
  constexpr std::uint16_t kExtended = 0xFFFE;
  if (format.size() < kShort) throw UserError(name + " is not a whole WAV file: it has no format");
  auto number = number_at<std::uint16_t>(format, 0);
  if (number == kExtended && format.size() >= kLong) number = number_at<std::uint16_t>(format, 24);
  sound.properties = {.channels = number_at<std::uint16_t>(format, 2),
                      .sample_rate = number_at<std::uint32_t>(format, 4)};
  check_properties(sound.properties, name);
  const std::int64_t bits = number_at<std::uint16_t>(format, 14);
  const std::int64_t frame = number_at<std::uint16_t>(format, 12);
  sound.bytes = (bits + 7) / 8;
  // Samples of 12 or 24 bits may be the highest of 16 or 32.
  if (frame > sound.bytes * sound.properties.channels && frame % sound.properties.channels == 0) {
    sound.bytes = frame / sound.properties.channels;
  }
  struct Known {
    std::uint16_t number;
    WavSound::Encoding encoding;
    std::int64_t least, most;  // bytes a sample
  };
  using Encoding = WavSound::Encoding;
  constexpr std::array kKnown = {Known{1, Encoding::kInteger, 1, 4},
                                 Known{3, Encoding::kFloat, 4, 4}, Known{3, Encoding::kFloat, 8, 8},
                                 Known{6, Encoding::kALaw, 1, 1}, Known{7, Encoding::kMuLaw, 1, 1}};
  const auto* known = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& each) {
    return each.number == number && sound.bytes >= each.least && sound.bytes <= each.most;
  });
  if (known == kKnown.end()) {
    throw UserError(name + ": a WAV file of encoding " + std::to_string(number) + " with " +
                    std::to_string(bits) + " bits, expected PCM, A-law or mu-law");
  }
  sound.encoding = known->encoding;
}

/// The bits of a sample that are used, where the header says so.
std::int64_t used_bits(Bytes format) {
  constexpr std::size_t kExtended = 20;
  const auto bits = number_at<std::uint16_t>(format, 14);
  return bits == 32 && format.size() >= kExtended ? number_at<std::uint16_t>(format, 18) : bits;
}

/// Whether the lowest byte of the first samples of 32 bits is used. Recorders for Linux put 24 bits
/// there, though the highest are right.
bool has_lowest_bytes(Bytes samples) {
  samples = samples.first(std::min(samples.size(), std::size_t{1} << 20));
  for (std::size_t i = 0; i < samples.size(); i += 4) {
    if (samples[i] != std::byte{0}) return true;
  }
  return false;
}

}  // namespace

bool is_wav(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  const bool is_riff =
      text.starts_with("RIFF") || text.starts_with("RF64") || text.starts_with("BW64");
  return is_riff && bytes.size() >= kFileHeader && text.substr(8, 4) == "WAVE";
}

WavSound find_wav_sound(Bytes bytes, const std::string& name) {
  const Header header = read_header(bytes, name);
  WavSound sound;
  read_format(header.format, sound, name);

  constexpr std::uint32_t kInLongSize = 0xFFFFFFFF;
  constexpr std::size_t kMostOf32Bits = std::numeric_limits<std::uint32_t>::max();
  const Bytes available = header.data.subspan(kChunkHeader);
  std::uint64_t size = chunk_size(header.data);
  if (size == kInLongSize && header.long_size) size = *header.long_size;
  if (size > available.size() || !can_follow_samples(after_content(available, size))) {
    const std::size_t whole = chunk_size(bytes) + kChunkHeader;
    const bool is_whole = whole == bytes.size() || whole + 1 == bytes.size();
    const std::uint64_t found = size_to_next_chunk(available);
    if (says_nothing(size) || bytes.size() > kMostOf32Bits) {
      size = found;
    } else if (is_whole) {
      sound.warnings.push_back("its header gives the sound " + std::to_string(size) +
                               " bytes, the file has " + std::to_string(found) +
                               ", all of which are read");
      size = found;
    } else if (size > available.size()) {
      throw UserError(name + " is not a whole WAV file: it is cut off");
    }
  }
  sound.data = available.first(size);
  sound.has_lowest_bits =
      sound.bytes == 4 && used_bits(header.format) == 24 && has_lowest_bytes(sound.data);
  sound.rest = without_chunks(after_content(available, size));
  return sound;
}

}  // namespace sparse_transformer
