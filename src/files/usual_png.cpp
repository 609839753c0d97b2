#include "files/usual_png.h"

#include <libdeflate.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "files/big_endian.h"

namespace sparse_transformer {

namespace {

using Bytes = std::span<const std::byte>;

struct Chunk {
  std::string_view type;
  Bytes content;
};

/// Takes the next chunk (length, type, content, checksum of type and content) off the file; nothing
/// where it is cut off or damaged.
std::optional<Chunk> take_chunk(Bytes& file) {
  constexpr std::size_t kFrame = 12;
  if (file.size() < kFrame || big_endian(file) > file.size() - kFrame) return std::nullopt;
  const std::size_t length = big_endian(file);
  const Bytes summed = file.subspan(4, 4 + length);
  if (libdeflate_crc32(0, summed.data(), summed.size()) != big_endian(file.subspan(8 + length))) {
    return std::nullopt;
  }
  file = file.subspan(kFrame + length);
  return Chunk{{reinterpret_cast<const char*>(summed.data()), 4}, summed.subspan(4)};
}

struct Header {
  std::int64_t width, height, channels;
};

std::optional<Header> header_of(const Chunk& chunk) {
  constexpr std::size_t kLength = 13;
  if (chunk.type != "IHDR" || chunk.content.size() != kLength) return std::nullopt;
  std::array<std::uint8_t, 5> rest{};  // depth, colour type, compression, filter, interlacing
  std::memcpy(rest.data(), chunk.content.data() + 8, rest.size());
  const auto [depth, colour, compression, filter, interlacing] = rest;
  constexpr std::uint8_t kGrey = 0, kRgb = 2;
  if (depth != 8 || (colour != kGrey && colour != kRgb)) return std::nullopt;
  if (compression != 0 || filter != 0 || interlacing != 0) return std::nullopt;
  return Header{big_endian(chunk.content), big_endian(chunk.content.subspan(4)),
                colour == kRgb ? 3 : 1};
}

/// A chunk that says nothing about the pixels as they are to be seen.
bool is_idle(const Chunk& chunk) {
  const bool is_ancillary = (static_cast<unsigned char>(chunk.type[0]) & 0x20U) != 0;
  if (!is_ancillary || chunk.type == "tRNS" || chunk.type == "eXIf") return false;
  if (chunk.type != "tEXt" && chunk.type != "zTXt" && chunk.type != "iTXt") return true;
  const std::string_view text(reinterpret_cast<const char*>(chunk.content.data()),
                              chunk.content.size());
  return !text.starts_with(kRawProfile) && !text.starts_with(kXmp);
}

/// The compressed pixels of all IDAT chunks, which follow each other, or nothing.
std::optional<std::vector<std::byte>> compressed_pixels(Bytes file) {
  std::vector<std::byte> compressed;
  for (bool ended = false;;) {
    const auto chunk = take_chunk(file);
    if (!chunk) return std::nullopt;
    if (chunk->type == "IEND") return compressed;
    if (chunk->type == "IDAT" && !ended) {
      compressed.insert(compressed.end(), chunk->content.begin(), chunk->content.end());
      continue;
    }
    if (!is_idle(*chunk)) return std::nullopt;
    ended = !compressed.empty();
  }
}

/// Memory that nothing is written to before the pixels are.
using Raw = std::unique_ptr<std::uint8_t[]>;

Raw inflate(const std::vector<std::byte>& compressed, std::size_t size) {
  constexpr std::size_t kMostGrowth = 1040;  // of deflate: 258 bytes from 2 bits
  if (size / kMostGrowth > compressed.size()) return nullptr;
  Raw raw = std::make_unique_for_overwrite<std::uint8_t[]>(size);
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> inflater(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  const libdeflate_result result =
      libdeflate_zlib_decompress(inflater.get(), compressed.data(), compressed.size(), raw.get(),
                                 size, nullptr);  // nullptr: exactly this size
  return result == LIBDEFLATE_SUCCESS ? std::move(raw) : nullptr;
}

// --- filters (PNG specification §9): each byte is the difference to a prediction from the bytes of
// the pixels to the left (a), above (b) and above left (c)

/// A pixel's channels, which the processor handles at once; the others are idle.
using Channels [[gnu::vector_size(16)]] = std::int16_t;
using Lanes [[gnu::vector_size(16)]] = std::uint64_t;  // four channels each

// By way of one number, since single lanes are slow to come by.
constexpr std::array kLaneShifts = {0, 16, 32};

template <std::size_t kChannels>
Channels load(const std::uint8_t* bytes) {
  std::uint64_t lanes = 0;
  for (std::size_t i = 0; i < kChannels; ++i) {
    lanes |= static_cast<std::uint64_t>(bytes[i]) << kLaneShifts[i];
  }
  return std::bit_cast<Channels>(Lanes{lanes, 0});
}

template <std::size_t kChannels>
void store(Channels pixel, std::uint8_t* bytes) {
  const std::uint64_t lanes = std::bit_cast<Lanes>(pixel)[0];
  for (std::size_t i = 0; i < kChannels; ++i) {
    bytes[i] = static_cast<std::uint8_t>(lanes >> kLaneShifts[i]);
  }
}

Channels magnitude(Channels x) { return x > -x ? x : -x; }

Channels mean(Channels a, Channels b, Channels /*c*/) { return (a + b) >> 1; }

/// Of a, b and c the one nearest to a + b - c; of equally near ones the first.
Channels paeth(Channels a, Channels b, Channels c) {
  const Channels to_a = magnitude(b - c);
  const Channels to_b = magnitude(a - c);
  const Channels to_c = magnitude(a + b - c - c);
  const Channels b_or_c = to_b <= to_c ? b : c;
  return ((to_a <= to_b) & (to_a <= to_c)) ? a : b_or_c;
}

Channels left(Channels a, Channels /*b*/, Channels /*c*/) { return a; }

template <std::size_t kChannels, Channels (*predict)(Channels, Channels, Channels)>
void undo(const std::uint8_t* line, const std::uint8_t* above, std::uint8_t* row,
          std::int64_t width) {
  Channels a{}, c{};
  for (std::int64_t i = 0; i < width * std::int64_t{kChannels}; i += kChannels) {
    const Channels b = load<kChannels>(above + i);
    a = (load<kChannels>(line + i) + predict(a, b, c)) & 255;
    c = b;
    store<kChannels>(a, row + i);
  }
}

/// Undoes a line's filter; false for a number that is none.
template <std::size_t kChannels>
bool undo_filter(std::uint8_t filter, const std::uint8_t* line, const std::uint8_t* above,
                 std::uint8_t* row, std::int64_t width) {
  switch (filter) {
    case 0:
      std::memcpy(row, line, static_cast<std::size_t>(width) * kChannels);
      return true;
    case 1:
      undo<kChannels, left>(line, above, row, width);
      return true;
    case 2:
      for (std::int64_t i = 0; i < width * std::int64_t{kChannels}; ++i) {
        row[i] = static_cast<std::uint8_t>(line[i] + above[i]);
      }
      return true;
    case 3:
      undo<kChannels, mean>(line, above, row, width);
      return true;
    case 4:
      undo<kChannels, paeth>(line, above, row, width);
      return true;
    default:
      return false;
  }
}

}  // namespace

std::optional<Image> decode_usual_png(Bytes bytes, const std::string& name) {
  constexpr std::size_t kSignature = 8;
  Bytes file = bytes.subspan(std::min(kSignature, bytes.size()));
  const auto first = take_chunk(file);
  const auto header = first ? header_of(*first) : std::nullopt;
  if (!header) return std::nullopt;
  check_picture_size(header->width, header->height, name);
  const auto compressed = compressed_pixels(file);
  if (!compressed) return std::nullopt;
  const std::int64_t line_size = header->width * header->channels;
  const Raw raw = inflate(*compressed, static_cast<std::size_t>(header->height * (1 + line_size)));
  if (!raw) return std::nullopt;

  Image image = black_image(header->width, header->height, header->channels);
  const std::vector<std::uint8_t> nothing(static_cast<std::size_t>(line_size), 0);
  const std::uint8_t* above = nothing.data();
  std::uint8_t* row = image.pixels.data();
  const auto undo_line = header->channels == 1 ? undo_filter<1> : undo_filter<3>;
  for (std::int64_t y = 0; y < header->height; ++y) {
    const std::uint8_t* line = raw.get() + y * (1 + line_size);
    if (!undo_line(*line, line + 1, above, row, header->width)) return std::nullopt;
    above = row;
    row += line_size;
  }
  return image;
}

}  // namespace sparse_transformer
