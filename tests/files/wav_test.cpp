#include "files/wav.h"

#include <gmock/gmock.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "config/errors.h"
#include "tests/files/expect_error.h"
#include "tests/files/sound_bytes.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using namespace std::string_literals;

constexpr std::uint32_t kHeader = 36;  // bytes that the size of the whole counts beside the samples
const std::string kSamples = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A"s;

/// A file with these sizes in its header.
std::string wav_with(std::uint32_t whole, std::uint32_t data, const std::string& samples = kSamples,
                     const std::string& after = "", const std::string& kind = "RIFF",
                     const std::string& format = wav_format(1, 16)) {
  return kind + little_endian(whole) + "WAVE" + chunk("fmt ", format) + "data" +
         little_endian(data) + samples + after;
}

struct Found {
  std::string data, rest;
  std::size_t warnings = 0;
  bool operator==(const Found&) const = default;
};

void PrintTo(const Found& found, std::ostream* out) {
  *out << found.data.size() << " bytes, then " << found.rest.size() << ", " << found.warnings
       << " warnings";
}

Found found_in(const std::string& file) {
  const WavSound sound = find_wav_sound(bytes_of(file), "a.wav");
  return {text_of(sound.data), text_of(sound.rest), sound.warnings.size()};
}

std::string refusal(const std::string& file) {
  return message_of<UserError>([&] { found_in(file); });
}

TEST(Wav, SamplesEndWithTheirChunk) {
  EXPECT_EQ(found_in(wav_with(kHeader + 10, 10)), (Found{kSamples, "", 0}));
  const std::string list = chunk("LIST", "odd") + chunk("id3 ", "even");
  EXPECT_EQ(found_in(wav_with(kHeader + 10 + 24, 10, kSamples, list)), (Found{kSamples, "", 0}));
  EXPECT_EQ(found_in(wav_with(kHeader, 0, "")), (Found{"", "", 0}));
  EXPECT_EQ(found_in(wav_with(kHeader + 24, 0, "", list)), (Found{"", "", 0})) << "no samples";
}

TEST(Wav, TheSizeOfTheWholeDoesNotMatter) {
  for (const std::uint32_t whole : {0U, 5U, 1000U, 0x7FFFF024U, 0xFFFFFFFFU}) {
    EXPECT_EQ(found_in(wav_with(whole, 10)), (Found{kSamples, "", 0})) << whole;
  }
}

TEST(Wav, SizesOfPipesAndInterruptedRecordingsSayNothing) {
  const std::string list = chunk("LIST", "four");
  for (const std::uint32_t size :
       {0U, 0x7FFFF000U, 0x7FFFFFFFU, 0x80000000U, 0xFFFFFFDBU, 0xFFFFFFFFU}) {
    for (const std::uint32_t whole : {0U, 8U, kHeader + 10, 0x7FFFF024U, 0xFFFFFFFFU}) {
      EXPECT_EQ(found_in(wav_with(whole, size)), (Found{kSamples, "", 0})) << size << " " << whole;
      EXPECT_EQ(found_in(wav_with(whole, size, kSamples, list)), (Found{kSamples, "", 0}));
      const std::string tag = "TAG" + std::string(125, ' ');
      EXPECT_EQ(found_in(wav_with(whole, size, kSamples, tag)), (Found{kSamples, tag, 0}));
    }
  }
}

TEST(Wav, ASizeThatTheWholeContradictsDoesNotCount) {
  for (const std::uint32_t size : {4U, 46U, 1000U}) {
    EXPECT_EQ(found_in(wav_with(kHeader + 10, size)), (Found{kSamples, "", 1})) << size;
  }
}

TEST(Wav, SamplesThatAreMissingAreMissed) {
  EXPECT_EQ(refusal(wav_with(kHeader + 12, 12)), "a.wav is not a whole WAV file: it is cut off");
  EXPECT_THAT(refusal(wav_with(0, 12)), HasSubstr("cut off"));
  EXPECT_THAT(refusal(wav_with(kHeader + 3'000'000'000U, 3'000'000'000U)), HasSubstr("cut off"));
  const std::string list = chunk("LIST", "four");
  EXPECT_EQ(found_in(wav_with(kHeader + 22, 10, kSamples, list.substr(0, 10))),
            (Found{kSamples, "LIST\4\0\0\0fo"s, 0}))
      << "what is cut off is no sample";
}

TEST(Wav, BytesAfterTheSamplesAreLeft) {
  EXPECT_EQ(found_in(wav_with(kHeader + 10, 10, kSamples, "what is this")),
            (Found{kSamples, "what is this", 0}));
  const std::string next = wav_with(kHeader + 10, 10), more = chunk("data", "more");
  EXPECT_EQ(found_in(wav_with(kHeader + 10, 10, kSamples, next)), (Found{kSamples, next, 0}));
  EXPECT_EQ(found_in(wav_with(kHeader + 22, 10, kSamples, more)), (Found{kSamples, more, 0}));
}

TEST(Wav, AZeroBehindAnOddSizeMayBeForgotten) {
  const std::string samples = "\x01\x02\x03"s;
  for (const std::string& between : {""s, "\0"s}) {
    const std::string after = between + chunk("LIST", "four");
    for (const std::uint32_t size : {0U, 3U}) {
      if (size == 0 && !between.empty()) continue;  // the zero may be a sample
      EXPECT_EQ(found_in(wav_with(0, size, samples, after, "RIFF", wav_format(1, 8))),
                (Found{samples, "", 0}));
    }
  }
  const std::string samples24 = "\x01\x02\x03"s, after = "\0"s + chunk("LIST", "four");
  EXPECT_EQ(found_in(wav_with(0, 0, samples24, after, "RIFF", wav_format(1, 24))),
            (Found{samples24, "", 0}));
  EXPECT_EQ(found_in(wav_with(kHeader + 16, 3, samples, "\x80"s + chunk("LIST", "four"), "RIFF",
                              wav_format(1, 8))),
            (Found{samples, "", 0}))
      << "another byte in the place of the zero";
}

TEST(Wav, LongSizes) {
  for (const std::string kind : {"RF64", "BW64"}) {
    for (const std::uint64_t size : {std::uint64_t{10}, std::uint64_t{0}, ~std::uint64_t{0}}) {
      const std::string ds64 = chunk(
          "ds64", little_endian<std::uint64_t>(90) + little_endian(size) + std::string(12, '\0'));
      const std::string file = kind + "\xFF\xFF\xFF\xFFWAVE"s + ds64 +
                               chunk("fmt ", wav_format(1, 16)) + "data\xFF\xFF\xFF\xFF"s +
                               kSamples;
      EXPECT_TRUE(is_wav(bytes_of(file)));
      EXPECT_EQ(found_in(file), (Found{kSamples, "", 0})) << kind << size;
      if (size == 10) {
        EXPECT_THAT(refusal(file.substr(0, file.size() - 1)), HasSubstr("cut off"));
      }
    }
    EXPECT_EQ(found_in(wav_with(~0U, ~0U, kSamples, "", kind)), (Found{kSamples, "", 0}));
  }
}

std::string all_of(const std::vector<std::string>& warnings) {
  std::string all;
  for (const std::string& warning : warnings) all += warning + "\n";
  return all;
}

const std::vector<std::string> kNames = {"LIST", "JUNK",   "acid",   "cart",    "axml", "chna",
                                         "DISP", "plst",   "XMP ",   "FLLR",    "id3 ", "SAUR",
                                         "mine", "id3\0"s, "PAD\0"s, "\xA9nam"s};

TEST(Wav, ChunksOfAnyNameEndASoundOfUnknownSize) {
  for (const std::string& name : kNames) {
    for (const std::uint32_t size : {0U, 0x7FFFF000U, 0xFFFFFFFFU}) {
      for (const std::string& after :
           {chunk(name, "INFOabcd"), chunk(name, "x"), chunk(name, "four") + chunk("more", "odd"),
            chunk("more", "four") + chunk(name, "four")}) {
        EXPECT_EQ(found_in(wav_with(size, size, kSamples, after)), (Found{kSamples, "", 0}))
            << name << size;
      }
    }
  }
}

TEST(Wav, ADamagedChunkEndsASoundOfUnknownSize) {
  const std::string list = chunk("LIST", "INFOISFT"), damaged = "LIST\xFF\xFF\xFF\xFFINFO";
  const std::string zeros(100, '\0');
  for (const std::uint32_t size : {0U, 0x7FFFF000U, 0xFFFFFFFFU}) {
    const auto found = [&](const std::string& after) {
      return found_in(wav_with(0, size, kSamples, after));
    };
    EXPECT_EQ(found(list.substr(0, 12)), (Found{kSamples, list.substr(0, 12), 0}));
    EXPECT_EQ(found(list + "xyz"), (Found{kSamples, "xyz", 0}));
    EXPECT_EQ(found(list + zeros), (Found{kSamples, zeros, 1}));
    EXPECT_EQ(found(damaged), (Found{kSamples, damaged, 0}));
    EXPECT_EQ(found(chunk("mine", "four") + damaged), (Found{kSamples, damaged, 0}));
    EXPECT_EQ(found(chunk("smpl", "four") + "xyz"), (Found{kSamples, "xyz", 0}));
  }
}

TEST(Wav, WhatOnlyLooksLikeAChunkIsSound) {
  const std::string fading = "loud\0\0\0\0"s;  // the name of a chunk without content
  EXPECT_EQ(found_in(wav_with(0, 0, kSamples + fading)), (Found{kSamples + fading, "", 0}));
  const std::string word = kSamples + "LIST" + kSamples + kSamples;
  EXPECT_EQ(found_in(wav_with(0, 0, word)), (Found{word, "", 0}));
  EXPECT_EQ(found_in(wav_with(kHeader + 34, 34, word)), (Found{word, "", 0}));
}

TEST(Wav, AnotherFileEndsASoundOfUnknownSize) {
  const std::string next = wav_with(kHeader + 10, 10);
  EXPECT_EQ(found_in(wav_with(0, 0, kSamples, next)), (Found{kSamples, next, 0}));
}

TEST(Wav, ASizeThatIsRightIsBelieved) {
  const std::string zeros(512, '\0');
  const auto found = [](const std::string& after) {
    const auto size = static_cast<std::uint32_t>(after.size());
    return found_in(wav_with(kHeader + 10 + size, 10, kSamples, after));
  };
  for (const std::string& name : kNames) {
    EXPECT_EQ(found(chunk(name, "INFOabcd")), (Found{kSamples, "", 0})) << name;
  }
  const std::string list = "LIST" + little_endian(500U) + "INFOabcd";
  EXPECT_EQ(found(list), (Found{kSamples, list, 0}));
  EXPECT_EQ(found(chunk("mine", "four") + "xyz"), (Found{kSamples, "xyz", 0}));
  EXPECT_EQ(found(zeros), (Found{kSamples, zeros, 1})) << "part of the file, but no sound";
}

TEST(Wav, ChunksAreNoSoundWhereTheirSizeIsCountedToo) {
  const std::string list = chunk("LIST", "INFOISFT");
  for (const std::string& chunks : {list, chunk("mine", "four") + list, chunk("bext", "odd")}) {
    const auto size = static_cast<std::uint32_t>(10 + chunks.size());
    EXPECT_EQ(found_in(wav_with(kHeader + size, size, kSamples, chunks)), (Found{kSamples, "", 1}));
  }
}

TEST(Wav, PartsOfASampleAreTold) {
  const std::string odd = kSamples + "x", list = chunk("LIST", "four");
  EXPECT_EQ(found_in(wav_with(0, 0, odd)), (Found{kSamples, "", 1}));
  EXPECT_EQ(found_in(wav_with(kHeader + 12, 11, odd, "\0"s)), (Found{kSamples, "", 1}));
  EXPECT_EQ(found_in(wav_with(0, 11, odd, list)), (Found{kSamples, "", 1}));
  const std::string stereo = wav_with(kHeader + 10, 10, kSamples, "", "RIFF", wav_format(2, 16));
  EXPECT_EQ(all_of(find_wav_sound(bytes_of(stereo), "a.wav").warnings),
            "a part of a sample, 2 bytes at the end of its sound, is left out\n");
}

TEST(Wav, AnEmptyChunkOfSoundIsPassedOver) {
  const std::string list = chunk("LIST", "four"), full = chunk("data", kSamples);
  for (const std::string& after : {list + full, full, chunk("data", "") + full + list}) {
    EXPECT_EQ(found_in(wav_with(0, 0, "", after)), (Found{kSamples, "", 0}));
  }
  EXPECT_EQ(found_in(wav_with(0, 0, "", list + chunk("data", ""))), (Found{"", "", 0}));
}

/// Above 4 GiB the sizes are what is left of them in 32 bits.
TEST(Wav, SizesThatHaveWrapped) {
  const std::size_t samples = (std::size_t{1} << 32) + 1000, size = 44 + samples;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  const std::string header = wav_with(kHeader + 1000, 1000, "");
  std::memcpy(memory, header.data(), header.size());
  const std::span file(static_cast<const std::byte*>(memory), size);
  EXPECT_EQ(find_wav_sound(file, "a.wav").data.size(), samples);
  ::munmap(memory, size);
}

TEST(Wav, EncodingsAndTheirContainers) {
  const auto sound_of = [](const std::string& format) {
    const std::string file = "RIFF" + little_endian(~0U) + "WAVE" + chunk("junk", "odd") +
                             chunk("fmt ", format) + chunk("data", kSamples);
    return find_wav_sound(bytes_of(file), "a.wav");
  };
  using Encoding = WavSound::Encoding;
  EXPECT_EQ(sound_of(wav_format(2, 12)).bytes, 2);
  EXPECT_EQ(sound_of(wav_format(1, 64, 3)).encoding, Encoding::kFloat);
  EXPECT_EQ(sound_of(wav_format(1, 8, 6)).encoding, Encoding::kALaw);
  EXPECT_EQ(sound_of(wav_format(1, 8, 7)).encoding, Encoding::kMuLaw);
  std::string wide = wav_format(2, 24);
  wide.replace(12, 2, little_endian<std::uint16_t>(8));
  EXPECT_EQ(sound_of(wide).bytes, 4);
  const std::string extended = wav_format(1, 32, 0xFFFE) + little_endian<std::uint16_t>(22) +
                               std::string(6, '\0') + little_endian<std::uint16_t>(3) +
                               std::string(14, '\0');
  EXPECT_EQ(sound_of(extended).encoding, Encoding::kFloat);
  for (const std::string& format : {wav_format(1, 4, 0x11), wav_format(1, 16, 0x55),
                                    wav_format(1, 40), wav_format(1, 16, 3), wav_format(1, 0)}) {
    EXPECT_THAT(message_of<UserError>([&] { sound_of(format); }),
                HasSubstr("expected PCM, A-law or mu-law"));
  }
}

TEST(Wav, ChunksOfAnySizeEndWithTheFile) {
  for (const std::uint32_t size : {0U, 1U, 0x7FFFFFFFU, 0xFFFFFFFEU, 0xFFFFFFFFU}) {
    EXPECT_THAT(refusal("RIFF" + little_endian(12U) + "WAVEjunk" + little_endian(size)),
                HasSubstr("it has no samples"));
  }
  EXPECT_THAT(refusal("RIFF" + little_endian(12U) + "WAVEdata" + little_endian(0U)),
              HasSubstr("it has no format"));
}

}  // namespace
}  // namespace sparse_transformer
