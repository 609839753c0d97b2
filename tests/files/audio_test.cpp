#include "files/audio.h"

#include <gmock/gmock.h>
#include <sndfile.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "config/errors.h"
#include "files/mapped_file.h"
#include "tests/files/expect_error.h"
#include "tests/files/sound_bytes.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using namespace std::string_literals;
using Bytes = std::vector<std::byte>;

constexpr int kVorbis = SF_FORMAT_OGG | SF_FORMAT_VORBIS;
constexpr int kMp3 = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III;
constexpr int kFlac = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
constexpr int kOpus = SF_FORMAT_OGG | SF_FORMAT_OPUS;

/// A sine of half the full scale.
float sine(std::int64_t i, double frequency, int rate) {
  const double turns = frequency * static_cast<double>(i) / rate;
  return static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * turns));
}

/// A sine as a file of any format that libsndfile writes, equal in all channels.
Bytes sine_file(int format, double frequency, int rate, int channels, std::int64_t frames) {
  const TemporaryFolder folder;
  const std::string path = folder / "sound";
  SF_INFO info{};
  info.format = format;
  info.samplerate = rate;
  info.channels = channels;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  if (file == nullptr) throw std::runtime_error(sf_strerror(nullptr));
  std::vector<float> samples;
  for (std::int64_t i = 0; i < frames; ++i) {
    samples.insert(samples.end(), static_cast<std::size_t>(channels), sine(i, frequency, rate));
  }
  sf_writef_float(file, samples.data(), frames);
  sf_close(file);
  const MappedFile written(path);
  return {written.bytes().begin(), written.bytes().end()};
}

/// The largest difference, in full scales, to a sine; the ends may be off by the filters' own.
double distance_to_sine(const Sound& sound, double frequency) {
  constexpr std::int64_t kEnds = 1000;
  double distance = 0.0;
  for (std::int64_t i = kEnds; i < std::ssize(sound.samples) - kEnds; ++i) {
    const float sample = static_cast<float>(sound.samples[static_cast<std::size_t>(i)]) / 32768.0F;
    const double expected = sine(i, frequency, static_cast<int>(sound.sample_rate));
    distance = std::max(distance, std::abs(sample - expected));
  }
  return distance;
}

std::string refusal(std::span<const std::byte> bytes, const std::string& name = "a.snd") {
  return message_of<UserError>([&] { decode_sound(bytes, name, 8000); });
}

/// Most bytes that are changed make the file one that is refused; none may do worse.
void damage_everywhere(const Bytes& whole, std::size_t step) {
  for (std::size_t i = 0; i < whole.size(); i += step) {
    for (int value = 0; value < 256; value += 51) {
      Bytes damaged = whole;
      damaged[i] = static_cast<std::byte>(value);
      try {
        EXPECT_LE(decode_sound(damaged, "a.snd", 8000).samples.size(), 1'000'000U);
      } catch (const UserError&) {
      }
    }
  }
}

/// A WAV put together by hand from its specification.
Bytes wav_of(std::uint16_t channels, std::uint16_t bits, const std::string& data,
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

TEST(Audio, reads_back_what_was_written) {
  const Sound sound{16000, {0, 1, -1, 32767, -32768, 1234}, "Seed: 7, größer"};
  for (const Bytes& file : {encode_wav(sound), encode_flac(sound)}) {
    const Sound read = decode_sound(file, "a.snd", 16000);
    EXPECT_EQ(read.sample_rate, 16000);
    EXPECT_EQ(read.samples, sound.samples);
    EXPECT_THAT(text_of(file), HasSubstr(sound.comment));
  }
}

TEST(Audio, every_16_bit_value_survives) {
  Sound sound{8000, {}, ""};
  for (int value = -32768; value <= 32767; ++value) {
    sound.samples.push_back(static_cast<std::int16_t>(value));
  }
  EXPECT_EQ(decode_sound(encode_wav(sound), "a.wav", 8000).samples, sound.samples);
  EXPECT_EQ(decode_sound(encode_flac(sound), "a.flac", 8000).samples, sound.samples);
  EXPECT_EQ(encode_flac(sound), encode_flac(sound));
}

TEST(Audio, silence_of_no_length) {
  EXPECT_TRUE(decode_sound(encode_wav({8000, {}, ""}), "a.wav", 8000).samples.empty());
  EXPECT_TRUE(decode_sound(encode_wav({8000, {}, ""}), "a.wav", 16000).samples.empty());
  EXPECT_TRUE(decode_sound(encode_flac({8000, {}, ""}), "a.flac", 8000).samples.empty());
}

TEST(Audio, writes_the_plain_layout) {
  const std::string data = little_endian<std::int16_t>(258) + little_endian<std::int16_t>(-2);
  EXPECT_EQ(encode_wav({8000, {258, -2}, ""}), wav_of(1, 16, data));
}

TEST(Audio, eight_bits_are_scaled) {
  EXPECT_THAT(decode_sound(wav_of(1, 8, {'\x80', '\x81', '\x00', '\xff'}), "a.wav", 8000).samples,
              ElementsAre(0, 256, -32768, 32512));
}

TEST(Audio, twenty_four_bits_lie_high_or_low_in_thirty_two) {
  const auto wav_of_24 = [](const std::string& samples) {
    std::string format = wav_format(1, 24);
    format.replace(12, 2, little_endian<std::uint16_t>(4));  // bytes a frame
    return "RIFF" + little_endian(~0U) + "WAVE" + chunk("fmt ", format) + chunk("data", samples);
  };
  const std::string high = "\0\0\0\x40\0\x01\0\xC0"s;
  const std::string low_with_sign = "\1\0\x40\0\0\0\xC0\xFF"s, low = "\1\0\x40\0\0\0\xC0\0"s;
  for (const std::string& samples : {high, low_with_sign, low}) {
    const std::string file = wav_of_24(samples);
    EXPECT_THAT(decode_sound(bytes_of(file), "a.wav", 8000).samples, ElementsAre(16384, -16384));
  }
  const std::string noise = wav_of_24("\x7F\1\0\x40\x45\0\0\xC0\x01\0\0\0"s);
  EXPECT_THAT(decode_sound(bytes_of(noise), "a.wav", 8000).samples, ElementsAre(16384, -16384, 0))
      << "noise below high ones";
}

TEST(Audio, channels_are_averaged) {
  const std::string data = little_endian<std::int16_t>(100) + little_endian<std::int16_t>(300) +
                           little_endian<std::int16_t>(-32768) +
                           little_endian<std::int16_t>(-32768);
  EXPECT_THAT(decode_sound(wav_of(2, 16, data), "a.wav", 8000).samples, ElementsAre(200, -32768));
}

TEST(Audio, float_samples_are_scaled_and_clipped) {
  constexpr std::uint16_t kFloatFormat = 3;
  const std::string data = little_endian(0.5F) + little_endian(-1.0F) + little_endian(1.5F);
  EXPECT_THAT(decode_sound(wav_of(1, 32, data, kFloatFormat), "a.wav", 8000).samples,
              ElementsAre(16384, -32768, 32767));
}

TEST(Audio, length_unknown_to_a_pipe_is_accepted) {
  const std::string data = little_endian<std::int16_t>(5);
  EXPECT_THAT(decode_sound(wav_of(1, 16, data, 1, 0xFFFFFFFF), "a.wav", 8000).samples,
              ElementsAre(5));
}

TEST(Audio, every_truncation_is_refused) {
  const Sound sound{8000, {1, 2, 3, 4, 5}, "comment"};
  for (const Bytes& whole : {encode_wav(sound), encode_flac(sound)}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_THAT(refusal(std::span(whole).first(size)), StartsWith("a.snd")) << size;
    }
  }
}

TEST(Audio, truncated_music_is_refused) {
  ::testing::internal::CaptureStderr();
  for (const int format : {kFlac, kVorbis, kMp3}) {
    const Bytes whole = sine_file(format, 440.0, 16000, 2, 16000);
    for (std::size_t size = 0; size + 200 < whole.size(); size += 97) {
      EXPECT_THAT(refusal(std::span(whole).first(size)), StartsWith("a.snd")) << size;
    }
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Audio, damaged_bytes_never_crash) {
  ::testing::internal::CaptureStderr();
  damage_everywhere(encode_wav({8000, {1, 2, 3, 4, 5}, "comment"}), 1);
  damage_everywhere(encode_flac({8000, {1, 2, 3, 4, 5}, "comment"}), 1);
  for (const int format : {kFlac, kVorbis, kMp3}) {
    damage_everywhere(sine_file(format, 440.0, 16000, 1, 8000), 37);
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Audio, a_damaged_stretch_is_refused) {
  ::testing::internal::CaptureStderr();
  for (const int format : {kFlac, kVorbis, kMp3}) {
    Bytes damaged = sine_file(format, 440.0, 16000, 1, 64000);
    for (std::size_t i = 0; i < 400; ++i) damaged[damaged.size() / 2 + i] ^= std::byte{0x5A};
    EXPECT_THAT(refusal(damaged), StartsWith("a.snd is not a whole")) << format;
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Audio, every_format_is_read) {
  for (const int format : {SF_FORMAT_WAV | SF_FORMAT_PCM_24, SF_FORMAT_WAV | SF_FORMAT_FLOAT,
                           SF_FORMAT_FLAC | SF_FORMAT_PCM_24, kVorbis, kMp3}) {
    const Sound read = decode_sound(sine_file(format, 440.0, 16000, 2, 16000), "a.snd", 16000);
    EXPECT_EQ(read.samples.size(), 16000U) << format;
    const bool is_lossy = format == kVorbis || format == kMp3;
    EXPECT_LT(distance_to_sine(read, 440.0), is_lossy ? 0.02 : 1e-4) << format;
  }
}

TEST(Audio, other_rates_are_resampled) {
  for (const int rate : {1000, 8000, 22050, 44100, 48000, 192000, 768000}) {
    const Bytes file = sine_file(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 300.0, rate, 2, 2L * rate);
    const Sound read = decode_sound(file, "a.wav", 16000);
    EXPECT_EQ(read.samples.size(), 32000U) << rate;
    EXPECT_LT(distance_to_sine(read, 300.0), 2e-4) << rate;
  }
}

TEST(Audio, tones_that_a_lower_rate_cannot_hold_vanish) {
  const Bytes file = sine_file(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 5000.0, 22050, 1, 44100);
  const Sound read = decode_sound(file, "a.wav", 8000);
  EXPECT_EQ(read.samples.size(), 16000U);
  EXPECT_LT(distance_to_sine(read, 0.0), 1e-3);
}

TEST(Audio, pieces_make_the_whole) {
  const Bytes file = sine_file(kVorbis, 440.0, 44100, 2, 50000);
  const Sound whole = decode_sound(file, "a.ogg", 16000);
  SoundReader reader(file, "a.ogg", 16000);
  std::vector<std::int16_t> pieces, piece(777);
  while (const std::size_t count = reader.read(piece)) {
    pieces.insert(pieces.end(), piece.data(), piece.data() + count);
  }
  EXPECT_EQ(pieces, whole.samples);
  EXPECT_EQ(reader.read(piece), 0U);
}

Bytes joined(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Bytes bytes_in(const std::string& text) {
  const auto bytes = bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

struct Heard {
  std::vector<std::int16_t> samples;
  std::vector<std::string> warnings;
};

Heard hear(const Bytes& file) {
  Heard heard;
  heard.samples = decode_sound(file, "a.snd", 16000, &heard.warnings).samples;
  return heard;
}

const std::string kId3v1 = "TAG" + std::string(125, ' ');
const std::string kId3v2 = std::string("ID3\x03\0\0\0\0\x02\x01", 10) + std::string(257, 'x');
const std::vector<int> kFormats = {SF_FORMAT_WAV | SF_FORMAT_PCM_16, kFlac, kVorbis, kOpus, kMp3};

TEST(Audio, tags_around_any_format_are_passed_over) {
  const std::string zeros(300, '\0');
  for (const int format : kFormats) {
    const Bytes file = sine_file(format, 440.0, 16000, 1, 16000);
    const Heard expected = hear(file);
    EXPECT_EQ(expected.samples.size(), 16000U);
    EXPECT_THAT(expected.warnings, IsEmpty());
    for (const std::string& after : {kId3v1, zeros, "LYRICSBEGINla la laLYRICSEND" + kId3v1}) {
      const Heard heard = hear(joined({bytes_in(zeros + kId3v2), file, bytes_in(after)}));
      EXPECT_EQ(heard.samples, expected.samples) << format;
      EXPECT_THAT(heard.warnings, IsEmpty()) << format;
    }
    EXPECT_THAT(refusal(joined(
                    {bytes_in(kId3v2), Bytes(file.begin(), file.begin() + file.size() * 2 / 3)})),
                StartsWith("a.snd is not a whole"));
  }
}

TEST(Audio, other_bytes_after_a_sound_are_told) {
  for (const int format : kFormats) {
    const Bytes file = sine_file(format, 440.0, 16000, 1, 16000);
    const Heard heard = hear(joined({file, bytes_in("what is this?" + kId3v1)}));
    EXPECT_EQ(heard.samples, hear(file).samples) << format;
    EXPECT_THAT(heard.warnings, ElementsAre("a.snd: 13 bytes after its sound are left out"));
  }
}

TEST(Audio, sounds_one_after_another_are_all_read) {
  for (const int format : kFormats) {
    const Bytes first = sine_file(format, 440.0, 16000, 1, 16000);
    for (const int rate : {16000, 24000}) {
      const int channels = rate == 16000 ? 1 : 2;
      const Bytes second = sine_file(format, 660.0, rate, channels, rate);
      for (const std::string& between : {""s, kId3v1 + kId3v2}) {
        const Heard heard = hear(joined({first, bytes_in(between), second}));
        // The beginning and the end that an encoder of MP3 adds stay where the frames go on.
        if (format == kMp3) {
          EXPECT_GE(heard.samples.size(), 32000U);
        } else {
          EXPECT_EQ(heard.samples.size(), 32000U) << format << " " << rate;
        }
        EXPECT_THAT(heard.warnings, IsEmpty());
        const Heard begin = hear(first);
        EXPECT_TRUE(std::equal(begin.samples.begin(), begin.samples.end(), heard.samples.begin()));
      }
    }
    const Bytes cut = joined({first, Bytes(first.begin(), first.begin() + std::ssize(first) / 2)});
    if (format == kMp3) {
      EXPECT_THAT(hear(cut).warnings, SizeIs(1)) << "part of a frame";
    } else {
      EXPECT_THAT(refusal(cut), StartsWith("a.snd is not a whole"));
    }
  }
}

TEST(Audio, an_mp3_without_its_length_ends_with_its_frames) {
  const Bytes file = sine_file(kMp3, 440.0, 16000, 1, 16000);
  const std::string text = text_of(file);
  const Bytes frames = bytes_in(text.substr(text.find(text.substr(0, 2), 4)));  // without the first
  const Heard whole = hear(frames);
  EXPECT_THAT(whole.warnings, IsEmpty());
  const Heard cut = hear(Bytes(frames.begin(), frames.end() - 5));
  EXPECT_LT(cut.samples.size(), whole.samples.size());
  EXPECT_THAT(cut.warnings, SizeIs(1)) << "part of a frame";
  EXPECT_THAT(refusal(joined({frames, bytes_in("what is this?"), frames})),
              StartsWith("a.snd is not a whole MP3 file"));
}

TEST(Audio, an_mp3_may_begin_with_other_bytes) {
  const Bytes file = sine_file(kMp3, 440.0, 16000, 1, 16000);
  const std::string too_long = "ID3\3\0\0\0\0\0\x14"s + std::string(10, 'x');  // it says 20
  for (const std::string& before : {"what is this?"s, too_long}) {
    const Heard heard = hear(joined({bytes_in(before), file}));
    EXPECT_EQ(heard.samples, hear(file).samples);
    EXPECT_THAT(heard.warnings, SizeIs(1));
  }
}

TEST(Audio, a_count_of_frames_that_is_not_there_counts_nothing) {
  Bytes file = sine_file(kMp3, 440.0, 16000, 1, 16000);
  const std::size_t word = text_of(file).find("Info");
  const std::size_t found = word != std::string::npos ? word : text_of(file).find("Xing");
  ASSERT_NE(found, std::string::npos);
  file.at(found + 7) = std::byte{0};  // flags
  const Bytes half(file.begin(), file.begin() + std::ssize(file) / 2);
  EXPECT_THAT(hear(half).warnings, SizeIs(1)) << "part of a frame";
}

/// An MP3 with this number of frames in its first one, and the right number.
Bytes with_frame_count(std::uint32_t (*change)(std::uint32_t)) {
  Bytes file = sine_file(kMp3, 440.0, 16000, 1, 64000);
  const std::string text = text_of(file);
  const std::size_t place = std::min(text.find("Xing"), text.find("Info")) + 8;
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < 4; ++i)
    count = count << 8 | std::to_integer<std::uint32_t>(file.at(place + i));
  count = change(count);
  for (std::size_t i = 0; i < 4; ++i)
    file.at(place + i) = static_cast<std::byte>(count >> (24 - 8 * i));
  return file;
}

TEST(Audio, a_wrong_count_of_frames_changes_no_sample) {
  const Heard right = hear(with_frame_count([](std::uint32_t count) { return count; }));
  EXPECT_EQ(right.samples.size(), 64000U);
  EXPECT_THAT(right.warnings, IsEmpty());
  const Heard first_too = hear(with_frame_count([](std::uint32_t count) { return count + 1; }));
  EXPECT_EQ(first_too.samples, right.samples);
  EXPECT_THAT(first_too.warnings, IsEmpty());
  for (const auto change : {+[](std::uint32_t count) { return count / 2; },
                            +[](std::uint32_t count) { return count - 1; },
                            +[](std::uint32_t count) { return 2 * count; },
                            +[](std::uint32_t) { return 0xFFFFFFFFU; }}) {
    const Heard wrong = hear(with_frame_count(change));
    EXPECT_EQ(wrong.samples, right.samples);
    EXPECT_THAT(wrong.warnings, ElementsAre(HasSubstr("its header gives the sound")));
  }
}

TEST(Audio, an_mp3_that_lost_its_last_frame_is_refused) {
  const Bytes file = with_frame_count([](std::uint32_t count) { return count; });
  const std::size_t last = text_of(file).rfind(text_of(file).substr(0, 2));
  EXPECT_THAT(refusal(std::span(file).first(last)), HasSubstr("it ends early"));
  EXPECT_THAT(refusal(std::span(file).first(file.size() - 1)), HasSubstr("it ends early"));
  EXPECT_THAT(refusal(std::span(file).first(last + 2)), HasSubstr("it ends early"));
}

TEST(Audio, where_an_mp3_is_damaged_is_said) {
  Bytes file = with_frame_count([](std::uint32_t count) { return count; });
  const std::size_t place = text_of(file).find(text_of(file).substr(0, 2), file.size() / 2);
  file.at(place) = std::byte{0};
  EXPECT_EQ(refusal(file),
            "a.snd is not a whole MP3 file: damaged in the middle: no frame begins "
            "at byte " +
                std::to_string(place) + " of its sound");
}

TEST(Audio, a_single_frame_is_an_mp3) {
  const std::string frame =
      "\xFF\xFB\x54\xC4" + std::string(188, '\0');  // 64,000 bits and 48,000 samples a second
  for (const std::string& after : {""s, kId3v1}) {
    const Heard heard = hear(bytes_in(frame + after));
    EXPECT_EQ(heard.samples.size(), 384U);
    EXPECT_THAT(heard.warnings, IsEmpty());
  }
}

/// Makes the checksum of a page of OGG, all of these bytes, anew.
void write_checksum(std::span<std::byte> page) {
  constexpr std::size_t kPlace = 22;
  std::fill_n(page.begin() + kPlace, 4, std::byte{0});
  boost::crc_optimal<32, 0x04C11DB7, 0, 0, false, false> crc;
  crc.process_bytes(page.data(), page.size());
  const std::uint32_t sum = crc.checksum();
  std::memcpy(page.data() + kPlace, &sum, sizeof sum);
}

TEST(Audio, an_ogg_whose_end_is_wrong_is_named_in_own_words) {
  Bytes file = sine_file(kVorbis, 440.0, 16000, 1, 16000);
  const std::size_t page = text_of(file).rfind("OggS");
  std::fill_n(file.begin() + static_cast<std::ptrdiff_t>(page) + 6, 8, std::byte{0xFF});  // its end
  write_checksum(std::span(file).subspan(page));
  EXPECT_EQ(refusal(file),
            "a.snd is not a whole OGG file: its sound cannot be decoded; its beginning or its end "
            "is damaged");
}

TEST(Audio, an_ogg_without_the_mark_of_its_end_is_warned_of) {
  const Bytes whole = sine_file(kVorbis, 440.0, 16000, 1, 16000);
  Bytes file = whole;
  const std::size_t page = text_of(file).rfind("OggS");
  file.at(page + 5) &= ~std::byte{4};
  write_checksum(std::span(file).subspan(page));
  EXPECT_EQ(hear(file).samples, hear(whole).samples);
  EXPECT_THAT(hear(file).warnings, SizeIs(1));
  EXPECT_THAT(hear(joined({file, whole})).warnings, SizeIs(1));
  EXPECT_EQ(hear(joined({file, whole})).samples.size(), 32000U);
}

TEST(Audio, long_wavs_are_read) {
  for (const int format : {SF_FORMAT_RF64 | SF_FORMAT_PCM_16, SF_FORMAT_WAVEX | SF_FORMAT_PCM_24}) {
    const Bytes file = sine_file(format, 440.0, 16000, 2, 16000);
    EXPECT_EQ(hear(file).samples.size(), 16000U);
    EXPECT_LT(distance_to_sine(decode_sound(file, "a.wav", 16000), 440.0), 1e-4);
  }
}

TEST(Audio, what_cannot_be_meant_is_refused) {
  const std::string two = little_endian<std::int16_t>(5);
  EXPECT_THAT(refusal(wav_of(65, 16, std::string(130, '\0'))), HasSubstr("65 channels"));
  EXPECT_THAT(refusal(wav_of(0, 16, two)), StartsWith("a.snd"));
  for (const std::uint32_t rate : {0U, 999U, 768001U, 0x7FFFFFFFU, 0xFFFFFFFFU}) {
    Bytes file = wav_of(1, 16, two);
    std::memcpy(file.data() + 24, &rate, sizeof rate);
    EXPECT_THAT(refusal(file), StartsWith("a.snd")) << rate;
  }
  constexpr std::uint16_t kFloatFormat = 3, kMp3Format = 0x55;
  const std::string nan = little_endian(std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(refusal(wav_of(1, 32, nan, kFloatFormat)), HasSubstr("not a number"));
  EXPECT_THAT(refusal(wav_of(1, 16, two, kMp3Format)), HasSubstr("encoding 85"));
}

TEST(Audio, kinds_that_are_not_read_are_named) {
  for (const int format : {SF_FORMAT_AIFF, SF_FORMAT_AU, SF_FORMAT_CAF, SF_FORMAT_W64,
                           SF_FORMAT_VOC, SF_FORMAT_SVX, SF_FORMAT_NIST}) {
    EXPECT_THAT(refusal(sine_file(format | SF_FORMAT_PCM_16, 440.0, 16000, 1, 16000)),
                AllOf(StartsWith("a.snd: a file of "), HasSubstr("expected WAV")));
  }
  EXPECT_EQ(refusal(bytes_in(std::string("\0\0\0\x18", 4) + "ftypM4A ")),
            "a.snd: a file of MP4 (AAC or ALAC); expected WAV, FLAC, OGG or MP3");
  EXPECT_THAT(refusal(bytes_in(kId3v2 + "\xFF\xF1\x50\x80")), HasSubstr("AAC"));
}

TEST(Audio, what_is_no_sound_is_named) {
  for (const std::string text : {"", "R", "just some text", "\xff\xfej\0u\0s\0t\0"}) {
    EXPECT_EQ(refusal(std::as_bytes(std::span(text)), "notes.wav"),
              "notes.wav is not a sound file; expected WAV, FLAC, OGG or MP3");
  }
  for (const std::string text :
       {"RIFF", "RIFF\1\1\1\1WAVE", "fLaC", "OggS", "ID3", "\xff\xfb\x90\x64"}) {
    EXPECT_THAT(refusal(std::as_bytes(std::span(text)), "notes.wav"),
                StartsWith("notes.wav is not"));
  }
}

}  // namespace
}  // namespace sparse_transformer
