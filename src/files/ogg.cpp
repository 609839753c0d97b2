#include "files/ogg.h"

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "config/errors.h"
#include "files/sound_bytes.h"
#include "files/sound_tags.h"

namespace sparse_transformer {

namespace {

using Bytes = std::span<const std::byte>;

// RFC 3533, section 6
constexpr std::string_view kCapture = "OggS";  // begins every page
constexpr std::size_t kPageHeader = 27;        // and then a byte for each segment, with its size
constexpr std::size_t kFlags = 5, kSerial = 14, kSequence = 18, kChecksum = 22, kSegments = 26;
constexpr std::byte kFirstPage{0x02}, kLastPage{0x04};

struct Page {
  Bytes bytes, content;

  bool has(std::byte flag) const { return (bytes[kFlags] & flag) != std::byte{0}; }
  std::uint32_t serial() const { return number_at<std::uint32_t>(bytes, kSerial); }
  std::uint32_t sequence() const { return number_at<std::uint32_t>(bytes, kSequence); }
  /// Whether its last packet continues on the next page: the last segment is full.
  bool is_continued() const {
    const auto segments = std::to_integer<std::size_t>(bytes[kSegments]);
    return segments > 0 && bytes[kPageHeader + segments - 1] == std::byte{255};
  }
};

/// The checksum of a page is made with zeros in its own place.
std::uint32_t checksum_of(Bytes page) {
  constexpr std::array<std::byte, 4> kZeros{};
  boost::crc_optimal<32, 0x04C11DB7, 0, 0, false, false> crc;
  crc.process_bytes(page.data(), kChecksum);
  crc.process_bytes(kZeros.data(), kZeros.size());
  const auto rest = page.subspan(kChecksum + kZeros.size());
  crc.process_bytes(rest.data(), rest.size());
  return crc.checksum();
}

bool has_its_checksum(Bytes page) {
  return checksum_of(page) == number_at<std::uint32_t>(page, kChecksum);
}

/// The page with the mark of the last one.
std::vector<std::byte> marked_as_last(Bytes page) {
  std::vector<std::byte> marked(page.begin(), page.end());
  marked[kFlags] |= kLastPage;
  const std::uint32_t checksum = checksum_of(marked);
  std::memcpy(marked.data() + kChecksum, &checksum, sizeof checksum);
  return marked;
}

/// The page at the beginning of `bytes`, where there is a whole one with its checksum.
std::optional<Page> first_page(Bytes bytes) {
  if (bytes.size() < kPageHeader || !as_text(bytes).starts_with(kCapture)) return std::nullopt;
  const std::size_t header = kPageHeader + std::to_integer<std::size_t>(bytes[kSegments]);
  if (bytes.size() < header) return std::nullopt;
  std::size_t size = header;
  for (std::size_t i = kPageHeader; i < header; ++i) size += std::to_integer<std::size_t>(bytes[i]);
  if (bytes.size() < size || !has_its_checksum(bytes.first(size))) return std::nullopt;
  return Page{bytes.first(size), bytes.first(size).subspan(header)};
}

/// Throws UserError for what a stream that begins with `page` cannot be read as.
void check_encoding(const Page& page, const std::string& name) {
  struct Encoding {
    std::string_view begin, word;
  };
  constexpr std::array<std::string_view, 3> kRead = {"\x01vorbis", "OpusHead", "\177FLAC"};
  constexpr std::array kOthers = {Encoding{"Speex   ", "Speex"}, Encoding{"\x80theora", "Theora"},
                                  Encoding{"fishead", "Skeleton"}, Encoding{"PCM     ", "PCM"}};
  const std::string_view content = as_text(page.content);
  const auto begins = [content](std::string_view word) { return content.starts_with(word); };
  if (std::any_of(kRead.begin(), kRead.end(), begins)) return;
  const auto* other = std::find_if(kOthers.begin(), kOthers.end(),
                                   [&](const Encoding& each) { return begins(each.begin); });
  throw UserError(name + ": an OGG of " +
                  std::string(other == kOthers.end() ? "an unknown encoding" : other->word) +
                  ", expected Vorbis, Opus or FLAC");
}

}  // namespace

OggStream first_ogg_stream(Bytes bytes, const std::string& name) {
  const auto fail = [&name](const std::string& reason) {
    throw UserError(name + " is not a whole OGG file: " + reason);
  };
  std::size_t size = 0;
  std::optional<Page> previous;
  while (size < bytes.size()) {
    const auto page = first_page(bytes.subspan(size));
    if (!page) fail("a page is cut off or damaged");
    if (!previous && !page->has(kFirstPage)) fail("its beginning is missing");
    if (!previous) {
      check_encoding(*page, name);
    } else if (page->has(kFirstPage)) {
      if (previous->has(kFirstPage)) {
        throw UserError(name + ": an OGG of several streams side by side, expected one of sound");
      }
      break;
    } else if (page->serial() != previous->serial() ||
               page->sequence() != previous->sequence() + 1) {
      fail("a page is missing");
    }
    size += page->bytes.size();
    previous = page;
    if (page->has(kLastPage)) break;
  }
  if (!previous || previous->is_continued()) fail("it ends early");
  OggStream stream{bytes.first(size), {}, {}};
  if (!previous->has(kLastPage)) {
    stream.end = marked_as_last(previous->bytes);
    stream.warnings.emplace_back("its last page is not marked as the last; it may be cut off");
    return stream;
  }
  const std::string_view rest = as_text(without_tags_before(bytes.subspan(size)));
  if (!rest.starts_with(kCapture) && rest.find(kCapture) != rest.npos) {
    fail("a page is cut off or damaged");
  }
  return stream;
}

}  // namespace sparse_transformer
