#include "files/wav.h"

#include <gmock/gmock.h>

#include <cstring>
#include <string>
#include <vector>

#include "config/errors.h"
#include "tests/files/expect_error.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

template <typename Number>
std::string little_endian(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

/// A WAV put together by hand from its specification.
std::vector<std::byte> wav_of(std::uint16_t channels, std::uint16_t bits, const std::string& data,
                              std::uint16_t format = 1, std::uint32_t riff_length = 0) {
  const std::uint32_t rate = 8000;
  const auto frame = static_cast<std::uint16_t>(channels * bits / 8);
  const std::string body = "WAVEfmt " + little_endian<std::uint32_t>(16) + little_endian(format) +
                           little_endian(channels) + little_endian(rate) +
                           little_endian<std::uint32_t>(rate * frame) + little_endian(frame) +
                           little_endian(bits) + "data" +
                           little_endian(static_cast<std::uint32_t>(data.size())) + data;
  const auto length = riff_length != 0 ? riff_length : static_cast<std::uint32_t>(body.size());
  const std::string text = "RIFF" + little_endian(length) + body;
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST(Wav, reads_back_what_was_written) {
  const Sound sound{16000, {0, 1, -1, 32767, -32768, 1234}, "Seed: 7, größer"};
  const Sound read = decode_wav(encode_wav(sound), "a.wav");
  EXPECT_EQ(read.sample_rate, 16000);
  EXPECT_EQ(read.samples, sound.samples);
  EXPECT_EQ(read.comment, sound.comment);
}

TEST(Wav, every_16_bit_value_survives) {
  Sound sound{8000, {}, ""};
  for (int value = -32768; value <= 32767; ++value) {
    sound.samples.push_back(static_cast<std::int16_t>(value));
  }
  EXPECT_EQ(decode_wav(encode_wav(sound), "a.wav").samples, sound.samples);
}

TEST(Wav, silence_of_no_length) {
  const Sound read = decode_wav(encode_wav({8000, {}, ""}), "a.wav");
  EXPECT_TRUE(read.samples.empty());
  EXPECT_EQ(read.sample_rate, 8000);
}

TEST(Wav, writes_the_plain_layout) {
  const std::string data = little_endian<std::int16_t>(258) + little_endian<std::int16_t>(-2);
  EXPECT_EQ(encode_wav({8000, {258, -2}, ""}), wav_of(1, 16, data));
}

TEST(Wav, eight_bits_are_scaled) {
  EXPECT_THAT(decode_wav(wav_of(1, 8, {'\x80', '\x81', '\x00', '\xff'}), "a.wav").samples,
              ElementsAre(0, 256, -32768, 32512));
}

TEST(Wav, channels_are_averaged) {
  const std::string data = little_endian<std::int16_t>(100) + little_endian<std::int16_t>(300) +
                           little_endian<std::int16_t>(-32768) +
                           little_endian<std::int16_t>(-32768);
  EXPECT_THAT(decode_wav(wav_of(2, 16, data), "a.wav").samples, ElementsAre(200, -32768));
}

TEST(Wav, float_samples_are_scaled_and_clipped) {
  constexpr std::uint16_t kFloatFormat = 3;
  const std::string data = little_endian(0.5F) + little_endian(-1.0F) + little_endian(1.5F);
  EXPECT_THAT(decode_wav(wav_of(1, 32, data, kFloatFormat), "a.wav").samples,
              ElementsAre(16384, -32768, 32767));
}

TEST(Wav, length_unknown_to_a_pipe_is_accepted) {
  const std::string data = little_endian<std::int16_t>(5);
  EXPECT_THAT(decode_wav(wav_of(1, 16, data, 1, 0xFFFFFFFF), "a.wav").samples, ElementsAre(5));
}

TEST(Wav, every_truncation_is_refused) {
  const std::vector<std::byte> whole = encode_wav({8000, {1, 2, 3, 4, 5}, "comment"});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(message_of<UserError>([&] { decode_wav(std::span(whole).first(size), "a.wav"); }),
                AllOf(StartsWith("a.wav"), HasSubstr("WAV")))
        << size;
  }
}

TEST(Wav, damaged_bytes_never_crash) {
  const std::vector<std::byte> whole = encode_wav({8000, {1, 2, 3, 4, 5}, "comment"});
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (int value = 0; value < 256; value += 15) {
      std::vector<std::byte> damaged = whole;
      damaged[i] = static_cast<std::byte>(value);
      try {
        EXPECT_LE(decode_wav(damaged, "a.wav").samples.size(), 100'000U);
      } catch (const UserError&) {
      }
    }
  }
}

TEST(Wav, what_is_no_wav_is_named) {
  const std::string text = "just some text";
  EXPECT_THAT(
      message_of<UserError>([&] { decode_wav(std::as_bytes(std::span(text)), "notes.wav"); }),
      HasSubstr("notes.wav is not a WAV"));
}

}  // namespace
}  // namespace sparse_transformer
