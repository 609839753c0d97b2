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
#include "files/midi.h"
#include "files/png.h"
#include "tests/files/expect_error.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Bytes = std::vector<std::uint8_t>;

const TokenFormat kText = {};
const TokenFormat kQuartet = {
    .kind = TokenFormat::Kind::kScore, .shape = {}, .voices = 4, .steps_per_beat = 4};

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
  EXPECT_EQ(sample_extension(kQuartet), ".mid");
}

TEST(Codec, AFileIsNamedAfterTheKindOfSamples) {
  for (const char* path : {"a.txt", "a", "png", "a.png.bin"}) check_extension(path, kText);
  for (const char* path : {"a.png", "b.jpg/a.PNG"}) check_extension(path, picture({8, 8, 1}));
  for (const char* path : {"a.wav", "a.WAV", "a.flac", "a.png"}) check_extension(path, sound(4000));
  for (const char* path : {"a.mid", "a.PNG"}) check_extension(path, kQuartet);
  for (const char* path : {"a.png", "a.Wav", "a.flac", "a.mid"}) {
    EXPECT_THROW(check_extension(path, kText), UserError);
  }
  EXPECT_THAT([] { check_extension("a.wav", kQuartet); },
              ThrowsMessage<UserError>(HasSubstr("expected a name that ends in .mid or .png")));
  for (const char* path : {"a.jpg", "a", "a.wav", "a.png/b"}) {
    EXPECT_THROW(check_extension(path, picture({8, 8, 1})), UserError) << path;
  }
  EXPECT_THAT(
      [&] { check_extension("a.mp3", sound(4000)); },
      ThrowsMessage<UserError>("a.mp3: sound is written as WAV or FLAC, or drawn, expected a name "
                               "that ends in .wav, .flac or .png"));
}

TEST(Codec, OneSampleComesBackAsAPrime) {
  const TemporaryFolder folder;
  for (const TokenFormat& format : {kText, picture({6, 5, 3}), picture({9, 10, 1})}) {
    const auto path = folder.path() / "sample";
    Bytes sample = counting(90);
    write_samples(path, format, {sample}, {});
    EXPECT_EQ(read_prime(path, format), sample);
  }
}

TEST(Codec, ASoundComesBackAsAPrimeButForItsFades) {
  const TemporaryFolder folder;
  const Bytes sample = counting(120);  // all codes but 0x7F, a second zero, come back
  for (const char* name : {"a.wav", "a.flac"}) {
    const auto path = folder.path() / name;
    write_samples(path, sound(4000), {sample}, {});
    const Bytes read = read_prime(path, sound(4000));
    ASSERT_EQ(read.size(), 120U);
    const auto middle = [](const Bytes& bytes) { return Bytes(&bytes[40], &bytes[80]); };
    EXPECT_EQ(middle(read), middle(sample));
  }
}

TEST(Codec, AScoreComesBackAsAPrime) {
  const TemporaryFolder folder;
  const Bytes sample = {72, 67, 64, 48, kHold, 66, kHold, kRest, 74, kHold, kRest, 50};
  write_samples(folder.path() / "a.mid", kQuartet, {sample}, {});
  EXPECT_EQ(read_prime(folder.path() / "a.mid", kQuartet), sample);
}

TEST(Codec, AScoreThatPrimesKeepsItsDrumsWhereTheFormatDoes) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.mid";
  write_file(path, encode_midi({.notes = {{0, 9, 36, 0, 120}, {0, 0, 72, 0, 120}}, .comment = ""}));
  std::vector<std::string> said;
  const Warn warn = [&said](const std::string& sentence) { said.push_back(sentence); };
  EXPECT_EQ(read_prime(path, kQuartet, warn), (Bytes{72, kRest, kRest, kRest}));
  EXPECT_THAT(said, testing::ElementsAre(HasSubstr("a.mid: left out: 1 of 2 notes: drums")));
  TokenFormat keeping = kQuartet;
  keeping.drums = true;
  EXPECT_EQ(read_prime(path, keeping, warn), (Bytes{72, 36, kRest, kRest}));
  EXPECT_EQ(said.size(), 1U);
}

TEST(Codec, RefusesAPrimeThatHoldsNothing) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "prime";
  const auto refusal = [&](const TokenFormat& format) {
    return message_of<UserError>([&] { read_prime(path, format); });
  };
  write_file(path, std::string_view(""));
  for (const TokenFormat& format : {kText, kQuartet, sound(4000), picture({8, 8, 3})}) {
    EXPECT_EQ(refusal(format), path.string() + ": empty; expected what the samples begin with");
  }
  for (const char* extension : {".wav", ".flac"}) {
    write_file(path, encode_samples(sound(4000), {Bytes()}, {}, extension));
    EXPECT_THAT(refusal(sound(4000)), HasSubstr("empty: a sound without samples"));
  }
  write_file(path, encode_midi({}));
  EXPECT_THAT(refusal(kQuartet), HasSubstr("a score without notes"));
  write_file(path, encode_midi({.notes = {{0, 9, 36, 0, 120}}, .comment = ""}));
  EXPECT_THAT(refusal(kQuartet), HasSubstr("only drums"));
}

TEST(Codec, TheEndingChoosesTheFileOfAScore) {
  const TemporaryFolder folder;
  for (const auto& [name, magic] :
       std::vector<std::pair<std::string, std::string>>{{"a.mid", "MThd"}, {"a.PNG", "\x89PNG"}}) {
    write_samples(folder.path() / name, kQuartet, {Bytes(16, 60)}, {});
    EXPECT_EQ(read_file(folder.path() / name).substr(0, 4), magic);
  }
}

TEST(Codec, SeveralBytesSamplesAreToldApart) {
  EXPECT_EQ(as_text(encode_samples(kText, {{'a', 'b'}, {'c', '\n'}}, {}, ".txt")),
            "---- sample 1 ----\nab\n---- sample 2 ----\nc\n\n");
}

TEST(Codec, SeveralPicturesMakeAGrid) {
  const Bytes black(4096, 0);
  const Metadata text = {{"seed", "7"}};
  const auto png =
      encode_samples(picture({64, 64, 1}), {black, black, Bytes(100, 0)}, text, ".png");
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
  const Bytes sample = counting(768);
  const Image image =
      decode_png(encode_samples(picture({16, 16, 3}), {sample, sample}, {}, ".png"), "grid");
  EXPECT_EQ(image.width, 130);
  EXPECT_EQ(image.height, 64);
  for (std::size_t row = 0; row < 64; ++row) {
    for (std::size_t byte = 0; byte < 192; ++byte) {
      const std::size_t token = (row / 4 * 16 + byte / 12) * 3 + byte % 3;
      ASSERT_EQ(image.pixels[row * 390 + byte], sample[token]);
    }
  }
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
  EXPECT_THROW(read_prime(path, kQuartet), UserError);
  write_file(path, std::string_view(""));
  EXPECT_THAT([&] { read_prime(path, kText); }, ThrowsMessage<UserError>(HasSubstr("empty")));
  EXPECT_THROW(read_prime(folder.path() / "absent", kText), UserError);
}

}  // namespace
}  // namespace sparse_transformer
