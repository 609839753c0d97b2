#include "files/sound_container.h"

#include <gmock/gmock.h>

#include <boost/crc.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "config/errors.h"
#include "tests/files/expect_error.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using std::string_literals::operator""s;

template <typename Number>
std::string little_endian(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

/// A page of OGG put together by hand from its specification.
std::string ogg_page(std::uint8_t flags, const std::string& content) {
  std::string page = std::string("OggS\0", 5) + static_cast<char>(flags) + std::string(16, '\7') +
                     std::string(4, '\0') + '\1' + static_cast<char>(content.size()) + content;
  boost::crc_optimal<32, 0x04C11DB7, 0, 0, false, false> crc;
  crc.process_bytes(page.data(), page.size());
  return page.replace(22, 4, little_endian<std::uint32_t>(crc.checksum()));
}

TEST(SoundContainer, every_changed_bit_of_an_ogg_is_seen) {
  const std::string whole = ogg_page(2, "first") + ogg_page(0, "second") + ogg_page(4, "last");
  check_ogg(bytes_of(whole), "a.ogg");
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_THAT(message_of<UserError>([&] { check_ogg(bytes_of(damaged), "a.ogg"); }),
                StartsWith("a.ogg is not a whole OGG file"))
        << bit;
  }
}

TEST(SoundContainer, an_ogg_ends_with_its_last_page) {
  EXPECT_THAT(message_of<UserError>([&] {
                check_ogg(bytes_of(ogg_page(2, "first") + ogg_page(0, "second")), "a.ogg");
              }),
              HasSubstr("it ends early"));
  EXPECT_THAT(message_of<UserError>([&] {
                check_ogg(bytes_of(ogg_page(2, "first") + ogg_page(4, "last") + "more"), "a.ogg");
              }),
              HasSubstr("cut off or damaged"));
}

TEST(SoundContainer, the_encoding_of_a_wav_is_found_behind_other_chunks) {
  const auto wav_of = [](std::uint16_t encoding) {
    return "RIFF" + little_endian<std::uint32_t>(26) + "WAVEjunk" +
           little_endian<std::uint32_t>(3) + "abc\0"s + "fmt " + little_endian<std::uint32_t>(16) +
           little_endian(encoding);
  };
  check_wav(bytes_of(wav_of(6)), "a.wav");
  EXPECT_THAT(message_of<UserError>([&] { check_wav(bytes_of(wav_of(0x55)), "a.wav"); }),
              HasSubstr("encoding 85"));
}

TEST(SoundContainer, chunks_of_any_size_end_with_the_wav) {
  for (const std::uint32_t size : {0U, 1U, 0x7FFFFFFFU, 0xFFFFFFFEU, 0xFFFFFFFFU}) {
    const std::string wav =
        "RIFF" + little_endian<std::uint32_t>(12) + "WAVEjunk" + little_endian(size);
    EXPECT_THAT(message_of<UserError>([&] { check_wav(bytes_of(wav), "a.wav"); }),
                HasSubstr("encoding 0"));
  }
}

}  // namespace
}  // namespace sparse_transformer
