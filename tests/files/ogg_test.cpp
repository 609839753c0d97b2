#include "files/ogg.h"

#include <gmock/gmock.h>

#include <boost/crc.hpp>
#include <string>

#include "config/errors.h"
#include "tests/files/expect_error.h"
#include "tests/files/sound_bytes.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr std::uint8_t kFirst = 2, kLast = 4;
const std::string kVorbis = "\x01vorbis";

/// A page of OGG put together from its specification.
std::string page(std::uint8_t flags, std::uint32_t sequence, const std::string& content,
                 std::uint32_t serial = 7) {
  std::string page = std::string("OggS\0", 5) + static_cast<char>(flags) + std::string(8, '\7') +
                     little_endian(serial) + little_endian(sequence) + std::string(4, '\0') + '\1' +
                     static_cast<char>(content.size()) + content;
  boost::crc_optimal<32, 0x04C11DB7, 0, 0, false, false> crc;
  crc.process_bytes(page.data(), page.size());
  return page.replace(22, 4, little_endian<std::uint32_t>(crc.checksum()));
}

std::string stream(std::uint32_t serial = 7) {
  return page(kFirst, 0, kVorbis, serial) + page(0, 1, "second", serial) +
         page(kLast, 2, "last", serial);
}

std::size_t first_size(const std::string& file) {
  return first_ogg_stream(bytes_of(file), "a.ogg").bytes.size();
}

std::string refusal(const std::string& file) {
  return message_of<UserError>([&] { first_size(file); });
}

TEST(Ogg, EveryChangedBitIsSeen) {
  const std::string whole = stream();
  EXPECT_EQ(first_size(whole), whole.size());
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_THAT(refusal(damaged), StartsWith("a.ogg is not a whole OGG file")) << bit;
  }
}

TEST(Ogg, EveryPageIsMissed) {
  EXPECT_THAT(refusal(page(kFirst, 0, kVorbis) + page(kLast, 2, "last")),
              HasSubstr("a page is missing"));
  EXPECT_THAT(refusal(page(0, 1, "second") + page(kLast, 2, "last")),
              HasSubstr("its beginning is missing"));
}

TEST(Ogg, AStreamEndsWhereTheNextBegins) {
  EXPECT_EQ(first_size(stream() + stream(8)), stream().size());
  const std::string open = page(kFirst, 0, kVorbis) + page(0, 1, "second");
  for (const std::string& file : {open, open + stream(8)}) {  // no last page
    EXPECT_EQ(first_size(file), open.size());
    EXPECT_THAT(first_ogg_stream(bytes_of(file), "a.ogg").warnings, SizeIs(1));
  }
  EXPECT_THAT(first_ogg_stream(bytes_of(stream()), "a.ogg").warnings, IsEmpty());
  const std::string cut = page(kFirst, 0, kVorbis) + page(0, 1, std::string(255, 'x'));
  for (const std::string& file : {cut, cut + stream(8)}) {
    EXPECT_THAT(refusal(file), HasSubstr("it ends early")) << "the packet continues";
  }
}

TEST(Ogg, BytesAfterTheLastPageAreNoPartOfTheStream) {
  EXPECT_EQ(first_size(stream() + "more"), stream().size());
  std::string damaged = stream() + stream(8);
  damaged[stream().size()] = 'o';
  EXPECT_THAT(refusal(damaged), HasSubstr("damaged"));
}

TEST(Ogg, WhatIsNotReadIsNamed) {
  EXPECT_THAT(refusal(page(kFirst, 0, kVorbis) + page(kFirst, 0, kVorbis, 8)),
              HasSubstr("several streams side by side"));
  EXPECT_EQ(refusal(page(kFirst, 0, "Speex   1.2") + page(kLast, 1, "last")),
            "a.ogg: an OGG of Speex, expected Vorbis, Opus or FLAC");
  EXPECT_THAT(refusal(page(kFirst, 0, "fruit") + page(kLast, 1, "last")),
              HasSubstr("an OGG of an unknown encoding"));
}

}  // namespace
}  // namespace sparse_transformer
