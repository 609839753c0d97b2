#include "files/midi.h"

#include <gmock/gmock.h>

#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/errors.h"
#include "tests/files/expect_error.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using std::string_literals::operator""s;

const std::string kEnd = "\0\xff\x2f\0"s;
const std::string kNote = "\0\x90\x3c\x40\x60\x80\x3c\x40"s;  // middle C, 0 to 96

std::string big_endian(std::uint32_t number, int size) {
  std::string bytes;
  for (int i = size - 1; i >= 0; --i) bytes += static_cast<char>(number >> (8 * i));
  return bytes;
}

std::string header(std::uint32_t format, std::uint32_t tracks, std::uint32_t division = 480) {
  return "MThd" + big_endian(6, 4) + big_endian(format, 2) + big_endian(tracks, 2) +
         big_endian(division, 2);
}

std::string track(const std::string& events) {
  return "MTrk" + big_endian(static_cast<std::uint32_t>(events.size()), 4) + events;
}

std::string one_track(const std::string& events) { return header(0, 1) + track(events); }

MidiScore read(const std::string& file) {
  return decode_midi(std::as_bytes(std::span(file)), "a.mid");
}

std::string refusal(const std::string& file) {
  return message_of<UserError>([&] { read(file); });
}

std::string as_text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Notes on three tracks, some at once, some again as soon as they end.
MidiScore some_score() {
  MidiScore score = {.ticks_per_quarter = 96,
                     .microseconds_per_quarter = 600'000,
                     .notes = {},
                     .comment = "Seed: 7, größer"};
  score.notes = {{0, 0, 60, 0, 96},    {1, 3, 0, 0, 10},         {2, 15, 127, 0, 1},
                 {0, 0, 60, 96, 97},   {1, 3, 60, 96, 96 + 480}, {2, 15, 60, 96, 20'000},
                 {0, 0, 64, 100, 300}, {0, 0, 67, 100, 200},     {1, 3, 72, 300'000, 300'001}};
  return score;
}

TEST(Midi, reads_back_what_was_written) {
  const MidiScore score = some_score();
  const MidiScore back = decode_midi(encode_midi(score), "a.mid");
  EXPECT_EQ(back.ticks_per_quarter, 96);
  EXPECT_EQ(back.microseconds_per_quarter, 600'000);
  EXPECT_EQ(back.comment, score.comment);
  EXPECT_EQ(back.notes, score.notes);
}

TEST(Midi, writes_the_layout_of_the_specification) {
  const MidiScore score = {.ticks_per_quarter = 480, .notes = {{0, 0, 60, 0, 96}}, .comment = "hi"};
  EXPECT_EQ(as_text(encode_midi(score)),
            header(1, 1) + track("\0\xff\x51\3\x07\xa1\x20"s + "\0\xff\1\2hi"s +
                                 "\0\x90\x3c\x50\x60\x80\x3c\0"s + kEnd));
}

TEST(Midi, a_score_without_notes_is_a_file) {
  EXPECT_THAT(decode_midi(encode_midi({}), "a.mid").notes, IsEmpty());
}

TEST(Midi, refuses_to_write_what_is_no_note) {
  for (const MidiNote& note : std::vector<MidiNote>{{0, 0, 128, 0, 1},
                                                    {0, 0, -1, 0, 1},
                                                    {0, 16, 60, 0, 1},
                                                    {-1, 0, 60, 0, 1},
                                                    {0, 0, 60, 1, 1},
                                                    {0, 0, 60, -1, 1},
                                                    {0, 0, 60, 0, std::int64_t{1} << 40}}) {
    EXPECT_THROW(encode_midi({.notes = {note}, .comment = ""}), std::logic_error);
  }
}

TEST(Midi, reads_running_status_and_notes_ended_by_no_loudness) {
  const MidiScore score = read(one_track("\0\x91\x3c\x40\x60\x3c\0\0\x3e\x40\x60\x3e\0"s + kEnd));
  EXPECT_THAT(score.notes, ElementsAre(MidiNote{0, 1, 60, 0, 96}, MidiNote{0, 1, 62, 96, 192}));
}

TEST(Midi, passes_over_what_is_no_note) {
  const std::string others = "\0\xf0\5\x7e\x7f\x09\1\xf7"s + "\0\xf7\2\x01\x02"s +
                             "\0\xc0\x05\0\xd0\x10\0\xb0\x07\x64\0\xe0\0\x40\0\xa0\x3c\x10"s +
                             "\0\xff\x58\4\4\2\x18\x08"s + "\0\xff\x7f\0"s;
  const MidiScore score = read(one_track(others + kNote + others + kEnd));
  EXPECT_THAT(score.notes, ElementsAre(MidiNote{0, 0, 60, 0, 96}));
}

TEST(Midi, a_note_begun_again_ends_there) {
  const MidiScore score =
      read(one_track("\0\x90\x3c\x40\x10\x90\x3c\x40\x10\x80\x3c\0\x10\x80\x3c\0"s + kEnd));
  EXPECT_THAT(score.notes, ElementsAre(MidiNote{0, 0, 60, 0, 16}, MidiNote{0, 0, 60, 16, 32}));
}

TEST(Midi, a_note_without_an_end_ends_with_its_track) {
  const MidiScore score = read(one_track("\0\x90\x3c\x40\x60\xff\x2f\0"s));
  EXPECT_THAT(score.notes, ElementsAre(MidiNote{0, 0, 60, 0, 96}));
}

TEST(Midi, a_track_may_lack_its_end_but_nothing_counts_behind_it) {
  EXPECT_EQ(read(one_track(kNote)).notes.size(), 1U);
  EXPECT_EQ(read(one_track(kEnd + kNote)).notes.size(), 0U);
}

TEST(Midi, chunks_of_other_kinds_are_passed_over) {
  const MidiScore score =
      read(header(1, 2) + track(kEnd) + "XFIH" + big_endian(3, 4) + "abc" + track(kNote) + "tail");
  EXPECT_THAT(score.notes, ElementsAre(MidiNote{1, 0, 60, 0, 96}));
}

TEST(Midi, the_tempo_is_the_one_at_the_beginning) {
  const std::string slow = "\0\xff\x51\3\x0f\x42\x40"s, zero = "\0\xff\x51\3\0\0\0"s,
                    short_one = "\0\xff\x51\1\1"s, late = "\x10\xff\x51\3\x07\xa1\x20"s;
  EXPECT_EQ(read(one_track(slow + zero + short_one + late + kEnd)).microseconds_per_quarter,
            1'000'000);
  EXPECT_EQ(read(one_track(kEnd)).microseconds_per_quarter, 500'000);
}

TEST(Midi, every_truncation_is_refused) {
  const std::string whole = as_text(encode_midi(some_score()));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(refusal(whole.substr(0, size)), StartsWith("a.mid is not a whole MIDI file: "));
  }
}

TEST(Midi, damaged_bytes_never_crash) {
  const std::string whole = as_text(encode_midi(some_score()));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(value);
      try {
        EXPECT_LE(read(damaged).notes.size(), 100U);
      } catch (const UserError&) {
      }
    }
  }
}

TEST(Midi, random_events_never_crash) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string events;
    for (int j = 0; j < 200; ++j)
      events += static_cast<char>(random() & (j % 3 == 0 ? 0xFF : 0x7F));
    try {
      for (const MidiNote& note : read(one_track(events)).notes) {
        EXPECT_LE(note.start, note.end);
      }
    } catch (const UserError&) {
    }
  }
}

TEST(Midi, what_cannot_be_read_is_named) {
  EXPECT_EQ(refusal("just some text"), "a.mid is not a MIDI file");
  EXPECT_THAT(refusal(""), StartsWith("a.mid is not a whole MIDI file"));
  EXPECT_EQ(refusal(header(2, 1) + track(kNote + kEnd)),
            "a.mid: a MIDI file of format 2, expected 0 or 1");
  for (const std::uint32_t division : {0xE728U, 0U}) {
    EXPECT_THAT(refusal(header(0, 1, division) + track(kEnd)), HasSubstr("SMPTE"));
  }
  EXPECT_THAT(refusal("MThd" + big_endian(4, 4) + std::string(6, '\0')), HasSubstr("header"));
  EXPECT_THAT(refusal(header(1, 65535) + track(kEnd)), HasSubstr("cut off"));
  EXPECT_THAT(refusal(header(0, 1) + "MTrk\xff\xff\xff\xff" + kEnd), HasSubstr("cut off"));
  EXPECT_THAT(refusal(one_track("\0\xf0\xff\xff\xff\x7f"s + kEnd)), HasSubstr("cut off"));
  EXPECT_THAT(refusal(one_track("\0\xff\1\xff\xff\xff\x7f"s + kEnd)), HasSubstr("cut off"));
  EXPECT_THAT(refusal(one_track("\xff\xff\xff\xff\x7f"s + kEnd)), HasSubstr("4 bytes"));
  EXPECT_THAT(refusal(one_track("\0\x3c\x40"s + kEnd)), HasSubstr("without a meaning"));
  EXPECT_THAT(refusal(one_track("\0\xf1\x40"s + kEnd)), HasSubstr("without a meaning"));
  EXPECT_THAT(refusal(one_track("\0\x90\x8c\x40"s + kEnd)), HasSubstr("7 bits"));
}

TEST(Midi, sizes_are_bounded) {
  std::string long_rests;
  for (int i = 0; i < 9; ++i) long_rests += "\xff\xff\xff\x7f\x90\x3c\x40"s;
  EXPECT_THAT(refusal(one_track(long_rests + kEnd)), HasSubstr("ticks"));
  const std::string large = one_track(kEnd) + std::string(std::size_t{16} << 20, '\0');
  EXPECT_THAT(refusal(large), HasSubstr("16777216 at most"));
}

}  // namespace
}  // namespace sparse_transformer
