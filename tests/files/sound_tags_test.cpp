#include "files/sound_tags.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/files/sound_bytes.h"

namespace sparse_transformer {
namespace {

using namespace std::string_literals;

const std::string kSound = "a sound";
const std::string kId3v1 = "TAG" + std::string(125, ' ');
const std::string kId3v2 = "ID3\x03\0\0\0\0\x02\x01"s + std::string(257, 'x');
const std::string kId3v2WithFooter = "ID3\x04\0\x10\0\0\0\5"s + "12345" + "3DI\x04\0\x10\0\0\0\5"s;
const std::string kLyrics1 = "LYRICSBEGINla la laLYRICSEND";
const std::string kLyrics2 = "LYRICSBEGINla la la000019LYRICS200";

/// 40 bytes of entries and a footer, and with the highest flag a header.
std::string ape(bool has_header) {
  const auto end = [](std::uint32_t flags) {
    return "APETAGEX" + little_endian<std::uint32_t>(2000) + little_endian<std::uint32_t>(40 + 32) +
           little_endian<std::uint32_t>(1) + little_endian(flags) + std::string(8, '\0');
  };
  const std::uint32_t flags = has_header ? 0x80000000U : 0U;
  return (has_header ? end(flags | 0x20000000U) : "") + std::string(40, 'y') + end(flags);
}

TEST(SoundTags, ThoseBefore) {
  for (const std::string& tags :
       {""s, kId3v2, kId3v2 + kId3v2, kId3v2WithFooter, ape(true), kId3v1 + kId3v2,
        std::string(5000, '\0'), "\0\0\0"s + kId3v2 + std::string(10, '\0')}) {
    EXPECT_EQ(text_of(without_tags_before(bytes_of(tags + kSound))), kSound) << tags;
    EXPECT_EQ(text_of(without_tags_before(bytes_of(tags))), "");
  }
}

TEST(SoundTags, ThoseAfter) {
  for (const std::string& tags : {""s, kId3v1, ape(false), ape(true), ape(true) + kId3v1,
                                  kLyrics1 + kId3v1, ape(false) + kLyrics2 + kId3v1,
                                  "TAG+" + std::string(223, ' ') + kId3v1, kId3v2WithFooter}) {
    EXPECT_EQ(text_of(without_tags_after(bytes_of(kSound + tags))), kSound) << tags;
    EXPECT_EQ(text_of(without_tags_after(bytes_of(tags))), "");
  }
}

TEST(SoundTags, SizesBeyondTheFile) {
  const std::string far = "ID3\x03\0\0\x7F\x7F\x7F\x7F"s;
  EXPECT_EQ(text_of(without_tags_before(bytes_of(far + kSound))), "");
  EXPECT_EQ(text_of(without_tags_after(bytes_of("999999LYRICS200"))), "");
  EXPECT_EQ(text_of(without_tags_after(bytes_of("3DI\x03\0\0\x7F\x7F\x7F\x7F"s))), "");
}

TEST(SoundTags, WhatOnlyLooksLikeOneStays) {
  for (const std::string text : {"TAG", "ID3", "x9999xLYRICS200", "LYRICSEND", "APETAGEX"}) {
    EXPECT_EQ(text_of(without_tags_before(bytes_of(text))), text);
    EXPECT_EQ(text_of(without_tags_after(bytes_of(text))), text);
  }
}

}  // namespace
}  // namespace sparse_transformer
