#include "files/wav.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "config/errors.h"
#include "files/sound_bytes.h"
#include "files/sound_tags.h"

namespace sparse_transformer {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kFileHeader = 12;  // "RIFF", u32le bytes that follow, "WAVE"
constexpr std::size_t kChunkHeader = 8;  // four characters, u32le bytes that follow
constexpr std::size_t kFarthest = std::size_t{16} << 20;  // what follows samples is short

/// The bytes from `offset` on: none where that is beyond the end.
Bytes from(Bytes bytes, std::size_t offset) {
  return bytes.subspan(std::min(offset, bytes.size()));
}

std::size_t chunk_size(Bytes chunk) { return number_at<std::uint32_t>(chunk, 4); }

bool is_printable(char letter) { return letter >= ' ' && letter <= '~'; }

/// Whether it begins with what may be a chunk's name: three or four printable characters, the first
/// of which may be the copyright sign of QuickTime. Neither more samples nor a whole file in the
/// place of a chunk are passed over as one.
bool has_name(Bytes bytes) {
  if (bytes.size() < kChunkHeader) return false;
  const std::string_view text = as_text(bytes).substr(0, 4);
  return (is_printable(text[0]) || text[0] == '\xA9') && is_printable(text[1]) &&
         is_printable(text[2]) && (is_printable(text[3]) || text[3] == '\0') && text != "data" &&
         !is_wav(bytes);
}

/// Whether it begins with a chunk that is whole.
bool is_chunk(Bytes bytes) {
  return has_name(bytes) && chunk_size(bytes) <= bytes.size() - kChunkHeader;
}

/// What follows a chunk's content of this size. After an odd size a zero follows, which some
/// programs forget, or write as another byte.
Bytes after_content(Bytes content, std::size_t size) {
  const Bytes next = from(content, size);
  if (size % 2 == 0 || next.empty()) return next;
  const bool is_padded = next[0] == std::byte{0} || (!is_chunk(next) && is_chunk(from(next, 1)));
  return is_padded ? next.subspan(1) : next;
}

Bytes after_chunk(Bytes chunk) {
  return after_content(chunk.subspan(kChunkHeader), chunk_size(chunk));
}

/// The bytes without the chunks that they begin with.
Bytes without_chunks(Bytes bytes) {
  while (is_chunk(bytes)) bytes = after_chunk(bytes);
  return bytes;
}

/// A chunk that programs write after the samples, and how its content begins.
struct KnownChunk {
  std::string_view name, content;
};

constexpr std::array kKnownChunks = {
    KnownChunk{"LIST", "INFO"}, KnownChunk{"LIST", "adtl"}, KnownChunk{"id3 ", "ID3"},
    KnownChunk{"ID3 ", "ID3"},  KnownChunk{"iXML", "<"},    KnownChunk{"_PMX", "<"},
    KnownChunk{"axml", "<"},    KnownChunk{"bext", ""},     KnownChunk{"cue ", ""},
    KnownChunk{"smpl", ""},     KnownChunk{"inst", ""},     KnownChunk{"fact", ""},
    KnownChunk{"PEAK", ""},     KnownChunk{"afsp", ""},     KnownChunk{"acid", ""},
    KnownChunk{"cart", ""},     KnownChunk{"chna", ""},     KnownChunk{"JUNK", ""},
    KnownChunk{"junk", ""},     KnownChunk{"PAD ", ""},     KnownChunk{"FLLR", ""}};

bool has_known_name(Bytes bytes) {
  const std::string_view name = as_text(bytes).substr(0, 4);
  return bytes.size() >= kChunkHeader &&
         std::any_of(kKnownChunks.begin(), kKnownChunks.end(),
                     [name](const KnownChunk& known) { return known.name == name; });
}

/// Whether a known chunk begins here, among bytes that may be samples. One that is cut off is
/// known by the beginning of its content.
bool begins_with_known_chunk(Bytes bytes) {
  if (!has_known_name(bytes)) return false;
  const std::string_view text = as_text(bytes);
  return std::any_of(kKnownChunks.begin(), kKnownChunks.end(), [&](const KnownChunk& known) {
    return text.starts_with(known.name) && text.substr(kChunkHeader).starts_with(known.content) &&
           (!known.content.empty() || is_chunk(bytes));
  });
}

enum class Chain {
  kSure,      // chunks to the end, a known one among them
  kPlausible  // chunks to the end, a known one, or another file; what follows these may be damaged
};

/// The size of samples that such a chain of chunks follows: all bytes where none does.
std::size_t size_to_chain(Bytes samples, Chain kind) {
  const std::size_t first = samples.size() - std::min(samples.size(), kFarthest);
  const Bytes tail = samples.subspan(first);
  std::vector<bool> is_end(tail.size() + 1), is_sure(tail.size() + 1);
  is_end[tail.size()] = true;
  std::size_t found = tail.size();
  for (std::size_t begin = tail.size(); begin-- > 0;) {
    const Bytes bytes = tail.subspan(begin);
    if (is_chunk(bytes) && chunk_size(bytes) > 0) {
      const std::size_t next = tail.size() - after_chunk(bytes).size();
      is_end[begin] = is_end[next];
      is_sure[begin] = is_end[next] && (is_sure[next] || has_known_name(bytes));
    }
    if (kind == Chain::kPlausible && (begins_with_known_chunk(bytes) || is_wav(bytes))) {
      is_end[begin] = true;
    }
    if ((kind == Chain::kSure ? is_sure : is_end)[begin]) found = begin;
  }
  return first + found;
}

/// Whether these bytes show that the samples before them have ended: nothing, a chunk, zeros, tags,
/// more samples or another file.
bool can_follow_samples(Bytes bytes) {
  const Bytes left = without_chunks(bytes);
  if (has_known_name(bytes) || has_known_name(left)) return true;
  if (is_chunk(bytes) && chunk_size(bytes) > 0 && chunk_size(bytes) <= kFarthest) return true;
  const Bytes rest = without_tags_before(without_tags_after(left));
  if (rest.empty()) return left.size() <= kFarthest;
  return is_wav(rest) || as_text(rest).starts_with("data");
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
      if (chunk_size(rest) > 0) break;
      // Chunks of empty sound may precede another that is not.
      rest = without_chunks(content);
      if (!as_text(rest).starts_with("data")) break;
      continue;
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

/// Whether of samples of 32 bits the lowest 24 are used: the lowest byte says something, and the
/// highest repeats the sign, or is 0, everywhere. Recorders for Linux put 24 bits there, though the
/// highest are right.
bool uses_lowest_bits(Bytes samples) {
  bool has_lowest_byte = false, repeats_sign = true, is_zero = true;
  for (std::size_t i = 0; i + 4 <= samples.size(); i += 4) {
    const auto sample = number_at<std::int32_t>(samples, i);
    has_lowest_byte = has_lowest_byte || (sample & 0xFF) != 0;
    repeats_sign = repeats_sign && sample >= -(1 << 23) && sample < 1 << 23;
    is_zero = is_zero && sample >= 0 && sample < 1 << 24;
    if (!repeats_sign && !is_zero) return false;
  }
  return has_lowest_byte;
}

/// Where the samples end and where what follows them begins, in the bytes from their begin on.
struct Extent {
  std::size_t size = 0, next = 0;
};

/// The samples up to a chain of chunks, if there is one.
Extent extent_to_chain(Bytes available, Chain kind, std::size_t frame) {
  const std::size_t next = size_to_chain(available, kind);
  const bool is_padded = next < available.size() && next % 2 == 0 && next % frame == 1 &&
                         available[next - 1] == std::byte{0};
  return {is_padded ? next - 1 : next, next};
}

/// Finds the end of the samples, `declared` bytes by their chunk. Adds a warning where that is
/// wrong.
Extent find_extent(Bytes bytes, Bytes available, std::uint64_t declared, std::size_t frame,
                   WavSound& sound, const std::string& name) {
  constexpr std::size_t kMostOf32Bits = std::numeric_limits<std::uint32_t>::max();
  const auto found = [&](Bytes within, Chain kind) {
    const Extent extent = extent_to_chain(within, kind, frame);
    const bool may_be_wrong =
        kind == Chain::kPlausible && (says_nothing(declared) || bytes.size() > kMostOf32Bits);
    if (!may_be_wrong && extent.size != declared) {
      sound.warnings.push_back("its header gives the sound " + std::to_string(declared) +
                               " bytes, the file has " + std::to_string(extent.size) +
                               ", all of which are read");
    }
    return extent;
  };
  const Bytes all = without_tags_after(available);
  if (declared == 0) return found(all, Chain::kPlausible);
  if (declared <= available.size()) {
    const Bytes after = after_content(available, declared);
    if (can_follow_samples(after)) {
      const Extent extent = found(available.first(declared), Chain::kSure);
      return extent.next < declared ? extent : Extent{declared, available.size() - after.size()};
    }
  }
  const std::size_t whole = chunk_size(bytes) + kChunkHeader;
  const bool is_whole = whole == bytes.size() || whole + 1 == bytes.size();
  if (says_nothing(declared) || is_whole || bytes.size() > kMostOf32Bits) {
    return found(all, Chain::kPlausible);
  }
  if (declared > available.size()) {
    throw UserError(name + " is not a whole WAV file: it is cut off");
  }
  return {declared, available.size() - after_content(available, declared).size()};
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
  const Bytes available = header.data.subspan(kChunkHeader);
  std::uint64_t declared = chunk_size(header.data);
  if (declared == kInLongSize && header.long_size) declared = *header.long_size;
  const auto frame = static_cast<std::size_t>(sound.bytes * sound.properties.channels);
  const Extent extent = find_extent(bytes, available, declared, frame, sound, name);
  if (const std::size_t spare = extent.size % frame; spare > 0) {
    sound.warnings.push_back("a part of a sample, " + std::to_string(spare) +
                             (spare == 1 ? " byte" : " bytes") +
                             " at the end of its sound, is left out");
  }
  sound.data = available.first(extent.size - extent.size % frame);
  sound.has_lowest_bits =
      sound.bytes == 4 && used_bits(header.format) == 24 && uses_lowest_bits(sound.data);
  sound.rest = without_chunks(from(available, extent.next));
  // Zeros after the file are no part of it; these may be.
  const auto whole = number_at<std::uint32_t>(bytes, 4);
  const bool is_part = says_nothing(whole) || whole + kChunkHeader == bytes.size();
  if (is_part && !sound.rest.empty() && without_tags_before(sound.rest).empty() &&
      sound.rest[0] == std::byte{0}) {
    sound.warnings.push_back(std::to_string(sound.rest.size()) +
                             " bytes after its sound are left out");
  }
  return sound;
}

}  // namespace sparse_transformer
