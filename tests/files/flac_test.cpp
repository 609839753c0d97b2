#include "files/flac.h"

#include <FLAC/stream_encoder.h>
#include <gmock/gmock.h>

#include <cmath>
#include <string>
#include <vector>

#include "config/errors.h"
#include "files/audio.h"
#include "tests/files/expect_error.h"
#include "tests/files/sound_bytes.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr int kCount = 10'000;

/// Any sample of this many bits; the first has all of them.
FLAC__int32 sample_at(int place, unsigned bits) {
  const auto largest = static_cast<double>(1LL << (bits - 1)) - 1.0;
  return static_cast<FLAC__int32>(std::lround(largest * std::cos(place / 10.0)));
}

std::string flac(unsigned bits = 16, unsigned rate = 8000, unsigned channels = 1,
                 bool is_ogg = false, unsigned frame = 0) {
  std::string file;
  FLAC__StreamEncoder* encoder = FLAC__stream_encoder_new();
  FLAC__stream_encoder_set_streamable_subset(encoder, 0);
  FLAC__stream_encoder_set_bits_per_sample(encoder, bits);
  FLAC__stream_encoder_set_sample_rate(encoder, rate);
  FLAC__stream_encoder_set_channels(encoder, channels);
  FLAC__stream_encoder_set_blocksize(encoder, frame);
  FLAC__stream_encoder_set_total_samples_estimate(encoder, kCount);
  const auto write = [](const FLAC__StreamEncoder*, const FLAC__byte* bytes, std::size_t size,
                        std::uint32_t, std::uint32_t, void* out) {
    static_cast<std::string*>(out)->append(reinterpret_cast<const char*>(bytes), size);
    return FLAC__STREAM_ENCODER_WRITE_STATUS_OK;
  };
  if (is_ogg) {
    FLAC__stream_encoder_set_ogg_serial_number(encoder, 7);
    FLAC__stream_encoder_init_ogg_stream(encoder, nullptr, write, nullptr, nullptr, nullptr, &file);
  } else {
    FLAC__stream_encoder_init_stream(encoder, write, nullptr, nullptr, nullptr, &file);
  }
  std::vector<FLAC__int32> samples;
  for (int i = 0; i < kCount; ++i) samples.insert(samples.end(), channels, sample_at(i, bits));
  EXPECT_TRUE(FLAC__stream_encoder_process_interleaved(encoder, samples.data(), kCount));
  EXPECT_TRUE(FLAC__stream_encoder_finish(encoder));
  FLAC__stream_encoder_delete(encoder);
  return file;
}

/// The frames of a file, without what stands before them.
std::string frames_of(const std::string& file) {
  std::size_t begin = 4;
  for (bool is_last = false; !is_last;) {
    is_last = (file[begin] & 0x80) != 0;
    std::size_t size = 0;
    for (int i = 1; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(file[begin + i]);
    begin += 4 + size;
  }
  return file.substr(begin);
}

struct Decoded {
  std::vector<float> samples;
  std::string rest;
  std::vector<std::string> warnings;
};

Decoded decode(const std::string& file) {
  const auto decoder = open_flac(bytes_of(file), "a.flac");
  Decoded decoded;
  std::vector<float> block(1000);
  while (const std::int64_t frames = decoder->read(block)) {
    decoded.samples.insert(decoded.samples.end(), block.begin(),
                           block.begin() + frames * decoder->properties().channels);
  }
  decoded.rest = text_of(decoder->rest());
  decoded.warnings = decoder->warnings();
  return decoded;
}

std::string refusal(const std::string& file) {
  return message_of<UserError>([&] { decode(file); });
}

/// The file with this number of samples in its header.
std::string with_count(std::string file, std::uint32_t count) {
  for (int i = 0; i < 4; ++i) file[22 + i] = static_cast<char>(count >> (24 - 8 * i));
  return file;
}

TEST(Flac, EveryNumberOfBits) {
  for (const unsigned bits : {4U, 8U, 12U, 15U, 16U, 20U, 24U, 32U}) {
    if (bits == 32 && FLAC_API_VERSION_CURRENT < 12) continue;  // before libFLAC 1.4
    const Decoded decoded = decode(flac(bits));
    ASSERT_THAT(decoded.samples, SizeIs(kCount)) << bits;
    for (int i = 0; i < kCount; ++i) {
      const double expected = std::ldexp(sample_at(i, bits), 1 - static_cast<int>(bits));
      ASSERT_FLOAT_EQ(decoded.samples[static_cast<std::size_t>(i)], expected) << bits << " " << i;
    }
    EXPECT_THAT(decoded.warnings, IsEmpty());
  }
}

TEST(Flac, TheNumberOfSamplesInItsHeaderDoesNotEndIt) {
  for (const std::uint32_t count : {0U, 1U, 5000U}) {
    const Decoded decoded = decode(with_count(flac(), count));
    EXPECT_THAT(decoded.samples, SizeIs(kCount)) << count;
  }
  EXPECT_THAT(refusal(with_count(flac(), kCount + 1)), HasSubstr("it ends early"));
}

/// The file without its checksum (MD5).
std::string without_checksum(std::string file) { return file.replace(26, 16, 16, '\0'); }

TEST(Flac, ATooLargeNumberOfSamplesIsWarnedOfWhereTheChecksumIsRight) {
  const Sound sound{8000, std::vector<std::int16_t>(kCount, 7), ""};
  for (const std::uint32_t count : {kCount + 1U, 2U * kCount, 0xFFFFFFFFU}) {
    std::string file = with_count(text_of(encode_flac(sound)), count);
    if (count == 0xFFFFFFFFU) file[21] = static_cast<char>(file[21] | 0x0F);  // 2^36 - 1
    const Decoded decoded = decode(file);
    EXPECT_THAT(decoded.samples, SizeIs(kCount)) << count;
    EXPECT_THAT(decoded.warnings, ElementsAre(HasSubstr("the file has 10000, all of which")));
    EXPECT_THAT(refusal(without_checksum(file)), HasSubstr("it ends early: its header gives"));
  }
}

/// The header of a sound without a number of samples and a checksum, and the first of its frames
/// with the numbers asked for.
std::string file_of_frames(const std::vector<int>& numbers) {
  const std::string file = flac(16, 8000, 1, false, 1000), frames = frames_of(file);
  const auto begin_of = [&frames](int number) {
    return frames.find(frames.substr(0, 4) + static_cast<char>(number));
  };
  std::string made = without_checksum(with_count(file.substr(0, file.size() - frames.size()), 0));
  for (const int i : numbers) made += frames.substr(begin_of(i), begin_of(i + 1) - begin_of(i));
  return made;
}

TEST(Flac, FramesThatAreMissingOrComeAgainAreSeen) {
  const Decoded whole = decode(file_of_frames({0, 1, 2, 3}));
  EXPECT_THAT(whole.samples, SizeIs(4000));
  EXPECT_THAT(whole.warnings, IsEmpty());
  EXPECT_EQ(refusal(file_of_frames({0, 2, 3})),
            "a.flac is not a whole FLAC file: damaged in the middle: a frame is missing after "
            "sample 1000");
  EXPECT_THAT(refusal(file_of_frames({0, 1, 4})), HasSubstr("missing after sample 2000"));
  EXPECT_THAT(refusal(file_of_frames({0, 1, 1, 2, 3})), HasSubstr("comes again after sample 2000"));
  const Decoded again = decode(file_of_frames({0, 1, 0, 1}));
  EXPECT_THAT(again.samples, SizeIs(4000));
  EXPECT_THAT(again.warnings, ElementsAre(HasSubstr("numbered from 0 again after sample 2000")));
  const Decoded end = decode(file_of_frames({2, 3}));
  EXPECT_THAT(end.samples, SizeIs(2000));
  EXPECT_THAT(end.warnings, ElementsAre(HasSubstr("its beginning is missing")));
}

TEST(Flac, SizesOfFramesInItsHeaderDoNotMatter) {
  const Sound sound{8000, std::vector<std::int16_t>(kCount, 7), ""};
  std::string sizes = text_of(encode_flac(sound));
  sizes.replace(8, 4, 4, '\1');  // of the frames
  EXPECT_THAT(decode(sizes).samples, SizeIs(kCount));
  EXPECT_THAT(decode(sizes).warnings, IsEmpty());
}

TEST(Flac, WrongNumbersOfFramesAreWarnedOfWhereTheChecksumIsRight) {
  constexpr std::size_t kFrame = 4096;
  const auto encoded = [](std::size_t count) {
    return text_of(encode_flac({8000, std::vector<std::int16_t>(count, 7), ""}));
  };
  const std::string file = encoded(2 * kFrame), frames = frames_of(file);
  const std::string first = frames_of(encoded(kFrame));
  const Decoded decoded = decode(file.substr(0, file.size() - frames.size()) + first + first);
  EXPECT_THAT(decoded.samples, SizeIs(2 * kFrame));
  EXPECT_THAT(decoded.warnings, ElementsAre(HasSubstr("its frames are wrongly numbered")));
}

TEST(Flac, WhereItIsDamagedIsSaid) {
  std::string damaged = file_of_frames({0, 1, 2, 3});
  char& in_third = damaged[file_of_frames({0, 1}).size() + 100];
  in_third = static_cast<char>(in_third ^ 4);
  EXPECT_EQ(refusal(damaged),
            "a.flac is not a whole FLAC file: it is damaged or cut off after sample 2000");
  EXPECT_EQ(refusal("fLaC" + frames_of(flac())),
            "a.flac is not a whole FLAC file: its beginning is damaged or cut off");
}

TEST(Flac, EveryTruncationIsRefused) {
  const std::string whole = flac();
  for (std::size_t size = 4; size < whole.size(); size += 7) {
    EXPECT_THAT(refusal(whole.substr(0, size)), StartsWith("a.flac is not a whole FLAC file"))
        << size;
  }
}

TEST(Flac, ChangesOnTheWayAreRefused) {
  for (const std::string& next : {flac(16, 16000), flac(16, 8000, 2)}) {
    EXPECT_THAT(refusal(flac() + frames_of(next)),
                StartsWith("a.flac: a FLAC whose rate or number of channels changes"));
  }
  const Decoded decoded = decode(flac(16) + frames_of(flac(24)));
  EXPECT_THAT(decoded.samples, SizeIs(2 * kCount)) << "more bits are no other sound";
  EXPECT_FLOAT_EQ(decoded.samples[kCount], std::ldexp(sample_at(0, 24), -23));
}

TEST(Flac, WhatFollowsIsLeft) {
  const Decoded decoded = decode(flac() + "what is this");
  EXPECT_THAT(decoded.samples, SizeIs(kCount));
  EXPECT_EQ(decoded.rest, "what is this");
}

TEST(Flac, PagesOfOgg) {
  const std::string ogg = flac(20, 8000, 1, true);
  const Sound expected = decode_sound(bytes_of(flac(20)), "a.flac", 8000);
  EXPECT_THAT(expected.samples, SizeIs(kCount));
  EXPECT_EQ(decode_sound(bytes_of(ogg), "a.ogg", 8000).samples, expected.samples);
  std::vector<std::string> warnings;
  const std::string twice = ogg + ogg + "what is this?";
  EXPECT_THAT(decode_sound(bytes_of(twice), "a.ogg", 8000, &warnings).samples, SizeIs(2 * kCount));
  EXPECT_THAT(warnings, SizeIs(1));
}

TEST(Flac, AnotherChecksumIsTold) {
  std::string file = flac();
  file[26] = static_cast<char>(file[26] ^ 1);
  const Decoded decoded = decode(file);
  EXPECT_THAT(decoded.samples, SizeIs(kCount));
  EXPECT_THAT(decoded.warnings, SizeIs(1));
}

}  // namespace
}  // namespace sparse_transformer
