#include "data/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "config/errors.h"
#include "data/mu_law.h"
#include "files/atomic_file.h"
#include "files/audio.h"
#include "files/png.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Bytes = std::vector<std::uint8_t>;

const TokenFormat kText = {};

TokenFormat picture(std::vector<std::int64_t> shape) {
  return {.kind = TokenFormat::Kind::kPicture, .shape = std::move(shape)};
}

TokenFormat sound(std::int64_t sample_rate) {
  return {.kind = TokenFormat::Kind::kSound, .shape = {}, .sample_rate = sample_rate};
}

Bytes counting(std::size_t size) {
  Bytes bytes(size);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  return bytes;
}

std::string as_text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Codec, KnowsTheExtensionOfEveryFormat) {
  EXPECT_EQ(sample_extension(kText), ".txt");
  EXPECT_EQ(sample_extension(picture({2, 2, 1})), ".png");
  EXPECT_EQ(sample_extension(sound(4000)), ".wav");
}

TEST(Codec, AFileIsNamedAfterTheKindOfSamples) {
  for (const char* path : {"a.txt", "a", "png", "a.png.bin"}) check_extension(path, kText);
  for (const char* path : {"a.png", "b.jpg/a.PNG"}) check_extension(path, picture({8, 8, 1}));
  for (const char* path : {"a.wav", "a.WAV"}) check_extension(path, sound(4000));
  for (const char* path : {"a.png", "a.Wav"}) EXPECT_THROW(check_extension(path, kText), UserError);
  for (const char* path : {"a.jpg", "a", "a.wav", "a.png/b"}) {
    EXPECT_THROW(check_extension(path, picture({8, 8, 1})), UserError) << path;
  }
  EXPECT_THAT([&] { check_extension("a.mp3", sound(4000)); },
              ThrowsMessage<UserError>(
                  "a.mp3: sound is written as WAV, expected a name that ends in .wav"));
}

TEST(Codec, OneSampleComesBackAsAPrime) {
  const TemporaryFolder folder;
  for (const TokenFormat& format : {kText, picture({6, 5, 3}), picture({9, 10, 1}), sound(4000)}) {
    const auto path = folder.path() / "sample";
    Bytes sample = counting(90);
    write_samples(path, format, {sample}, {});
    EXPECT_EQ(read_prime(path, format), sample);
  }
}

TEST(Codec, SeveralBytesSamplesAreToldApart) {
  EXPECT_EQ(as_text(encode_samples(kText, {{'a', 'b'}, {'c', '\n'}}, {})),
            "---- sample 1 ----\nab\n---- sample 2 ----\nc\n\n");
}

TEST(Codec, SeveralPicturesMakeAGrid) {
  const Bytes black(64 * 64, 0);
  const Metadata text = {{"seed", "7"}};
  const auto png = encode_samples(picture({64, 64, 1}), {black, black, Bytes(100, 0)}, text);
  const Image image = decode_png(png, "grid");
  EXPECT_EQ(image.width, 130);
  EXPECT_EQ(image.height, 130);
  EXPECT_EQ(read_png_text(png, "grid"), text);
  const auto at = [&](std::size_t row, std::size_t column) {
    return image.pixels[row * 130 + column];
  };
  EXPECT_EQ(at(0, 0), 0);
  EXPECT_EQ(at(63, 129), 0);
  EXPECT_EQ(at(0, 64), 255);  // the gap
  EXPECT_EQ(at(66, 63), 0);   // the third, of which there are 100 tokens
  EXPECT_EQ(at(67, 35), 0);
  EXPECT_EQ(at(67, 36), 128);    // and the rest is grey
  EXPECT_EQ(at(129, 129), 255);  // there is no fourth
}

TEST(Codec, SmallPicturesOfAGridAreEnlarged) {
  const Bytes sample = counting(16 * 16 * 3);
  const Image image =
      decode_png(encode_samples(picture({16, 16, 3}), {sample, sample}, {}), "grid");
  EXPECT_EQ(image.width, 130);
  EXPECT_EQ(image.height, 64);
  for (std::size_t row = 0; row < 64; ++row) {
    for (std::size_t byte = 0; byte < 192; ++byte) {
      const std::size_t token = (row / 4 * 16 + byte / 12) * 3 + byte % 3;
      ASSERT_EQ(image.pixels[row * 390 + byte], sample[token]);
    }
  }
}

TEST(Codec, SoundsHaveSilenceBetween) {
  const auto wav = encode_samples(sound(4000), {Bytes(10, 0x80), Bytes(20, 0x00)}, {{"seed", "7"}});
  const Sound both = decode_sound(wav, "sound", 4000);
  EXPECT_EQ(both.sample_rate, 4000);
  ASSERT_EQ(both.samples.size(), 10U + 800U + 20U);
  EXPECT_EQ(both.samples[9], 32124);
  EXPECT_EQ(both.samples[10], 0);
  EXPECT_EQ(both.samples[809], 0);
  EXPECT_EQ(both.samples[810], -32124);
  EXPECT_EQ(both.comment, "seed: 7");
}

TEST(Codec, APrimeOfAnotherRateIsConverted) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "prime";
  write_samples(path, sound(8000), {Bytes(1000, mu_law_encode(0))}, {});
  EXPECT_EQ(read_prime(path, sound(4000)), Bytes(500, mu_law_encode(0)));
}

TEST(Codec, RefusesAPrimeThatDoesNotFit) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "prime";
  write_samples(path, picture({8, 9, 3}), {counting(216)}, {});
  EXPECT_THAT(
      [&] {
        read_prime(path, picture({9, 8, 3}));
      },
      ThrowsMessage<UserError>(AllOf(HasSubstr(path.string()), HasSubstr("a picture of [8, 9, 3]"),
                                     HasSubstr("expected [9, 8, 3]"))));
  write_file(path, std::string_view("neither"));
  EXPECT_THROW(read_prime(path, picture({8, 9, 3})), UserError);
  EXPECT_THROW(read_prime(path, sound(4000)), UserError);
  write_file(path, std::string_view(""));
  EXPECT_THAT([&] { read_prime(path, kText); }, ThrowsMessage<UserError>(HasSubstr("empty")));
  EXPECT_THROW(read_prime(folder.path() / "absent", kText), UserError);
}

}  // namespace
}  // namespace sparse_transformer
