#include "files/midi.h"

#include <gmock/gmock.h>

#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/errors.h"
#include "tests/files/expect_error.h"
#include "tests/files/midi_pairing.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using namespace std::string_literals;

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
                             "\0\xf1\x10\0\xf2\x10\x20\0\xf3\1\0\xf6\0\xf8\0\xfa\0\xfe"s +
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

TEST(Midi, a_note_off_ends_the_note_that_began_before_its_tick) {
  const MidiNote first{0, 0, 60, 0, 96}, second{0, 0, 60, 96, 192};
  const std::string on = "\x90\x3c\x40", off = "\x80\x3c\x40"s, now = "\0"s, later = "`";
  for (const std::string& middle :
       {later + off + now + on,              // off, on
        later + on + now + off,              // on, off
        later + "\x90\x3c\x40\0\x3c\0"s,     // likewise, the off as a note-on of no loudness
        later + off + now + on + now + off,  // off, on, off
        later + on}) {                       // on alone
    EXPECT_THAT(read(one_track(now + on + middle + later + off + kEnd)).notes,
                ElementsAre(first, second));
  }
  EXPECT_THAT(read(one_track(now + on + later + on + now + off + later + kEnd.substr(1))).notes,
              ElementsAre(first, second))
      << "the second has no end";
  const std::string three = later + on + now + off;
  EXPECT_THAT(read(one_track(now + on + three + three + later + off + kEnd)).notes,
              ElementsAre(first, second, MidiNote{0, 0, 60, 192, 288}));
}

TEST(Midi, notes_of_no_length_beside_one_of_the_same_pitch_are_dropped_and_counted) {
  const std::string on = "\0\x90\x3c\x40"s, off = "\0\x80\x3c\x40"s, late_off = "\x60\x80\x3c\x40"s;
  const MidiNote note{0, 0, 60, 0, 96};
  for (const std::string& events : {on + on + late_off, on + on + off + late_off,
                                    on + off + on + late_off, on + late_off + on + off}) {
    const MidiScore score = read(one_track(events + kEnd));
    EXPECT_THAT(score.notes, ElementsAre(note));
    EXPECT_EQ(score.empty_notes, 1);
  }
  const MidiScore twice = read(one_track(on + on + on + late_off + kEnd));
  EXPECT_THAT(twice.notes, ElementsAre(note));
  EXPECT_EQ(twice.empty_notes, 2);
  const MidiScore tracks =
      read(header(1, 2) + track(on + off + kEnd) + track(on + late_off + kEnd));
  EXPECT_THAT(tracks.notes, ElementsAre(MidiNote{1, 0, 60, 0, 96}));
  EXPECT_EQ(tracks.empty_notes, 1);
}

TEST(Midi, notes_of_no_length_that_are_alone_stay) {
  const std::string on = "\0\x90\x3c\x40"s, off = "\0\x80\x3c\x40"s;
  const MidiScore score = read(one_track(on + off + "\x60\x90\x3c\x40\x60\x80\x3c\0"s +
                                         "\0\x91\x3c\x40\0\x81\x3c\x40"s +  // another channel
                                         "\0\x90\x3d\x40\0\x80\x3d\x40"s +  // another pitch
                                         kEnd));
  EXPECT_THAT(score.notes, ElementsAre(MidiNote{0, 0, 60, 0, 0}, MidiNote{0, 0, 60, 96, 192},
                                       MidiNote{0, 0, 61, 192, 192}, MidiNote{0, 1, 60, 192, 192}));
  EXPECT_EQ(score.empty_notes, 0);
  EXPECT_THAT(read(one_track(on + off + on + off + kEnd)).notes,
              ElementsAre(MidiNote{0, 0, 60, 0, 0}));
}

TEST(Midi, notes_pair_as_a_second_implementation_pairs_them) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::byte> bytes(random() % 24);
    const unsigned keys = i % 2 == 0 ? 0xFF : 0xF1;  // any, or one alone
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & keys);
    const std::vector<KeyEvent> events = key_events(bytes);
    ASSERT_EQ(read(midi_of(events)).notes, notes_of_events(events)) << "round " << i;
  }
}

TEST(Midi, a_note_without_an_end_ends_with_its_track) {
  const MidiScore score = read(one_track("\0\x90\x3c\x40\x60\xff\x2f\0"s));
  EXPECT_THAT(score.notes, ElementsAre(MidiNote{0, 0, 60, 0, 96}));
}

TEST(Midi, a_track_may_lack_its_end_but_what_follows_it_is_only_told) {
  EXPECT_EQ(read(one_track(kNote)).notes.size(), 1U);
  EXPECT_THAT(read(one_track(kNote)).warnings, IsEmpty());
  const MidiScore score = read(one_track(kEnd + kNote));
  EXPECT_EQ(score.notes.size(), 0U);
  EXPECT_THAT(score.warnings, ElementsAre("track 1 has 8 bytes after its end, which are left out"));
}

std::string track_of_size(std::uint32_t size, const std::string& events) {
  return "MTrk" + big_endian(size, 4) + events;
}

TEST(Midi, the_end_of_a_track_counts_more_than_its_size) {
  const std::string events = kNote + kEnd;  // 12 bytes
  for (const std::uint32_t size : {0U, 5U, 8U, 11U, 13U, 500U, 0xFFFFFFFFU}) {
    const std::string warning =
        "track 1 has 12 bytes, though its header says " + std::to_string(size);
    const MidiScore alone = read(header(0, 1) + track_of_size(size, events));
    EXPECT_THAT(alone.notes, ElementsAre(MidiNote{0, 0, 60, 0, 96})) << size;
    EXPECT_THAT(alone.warnings, ElementsAre(warning)) << size;
    const MidiScore first = read(header(1, 2) + track_of_size(size, events) + track(events));
    EXPECT_THAT(first.notes, ElementsAre(MidiNote{0, 0, 60, 0, 96}, MidiNote{1, 0, 60, 0, 96}))
        << size;
    EXPECT_THAT(first.warnings, ElementsAre(warning)) << size;
  }
  const std::string second = track(events);
  const std::uint32_t both = 12 + 20;  // as if the second track belonged to the first
  EXPECT_EQ(read(header(1, 2) + track_of_size(both, events) + second).notes.size(), 2U);
  EXPECT_THAT(refusal(header(0, 1) + track_of_size(12, kNote)), HasSubstr("cut off"));
}

TEST(Midi, files_one_after_another_are_refused) {
  const std::string file = one_track(kNote + kEnd);
  EXPECT_EQ(refusal(file + file), "a.mid: several MIDI files one after another, expected one");
}

TEST(Midi, chunks_of_other_kinds_are_passed_over) {
  const MidiScore score =
      read(header(1, 2) + track(kEnd) + "XFIH" + big_endian(3, 4) + "abc" + track(kNote) + "tail");
  EXPECT_THAT(score.notes, ElementsAre(MidiNote{1, 0, 60, 0, 96}));
}

TEST(Midi, all_tracks_are_read_whatever_the_header_says) {
  for (const std::uint32_t said : {0U, 1U, 3U, 65535U}) {
    const MidiScore score = read(header(1, said) + track(kNote + kEnd) + track(kNote + kEnd));
    EXPECT_THAT(score.notes, ElementsAre(MidiNote{0, 0, 60, 0, 96}, MidiNote{1, 0, 60, 0, 96}));
    EXPECT_THAT(score.warnings,
                ElementsAre("it has 2 tracks, though its header says " + std::to_string(said)));
  }
  EXPECT_THAT(read(header(1, 1) + track(kNote)).warnings, IsEmpty());
  EXPECT_THAT(refusal(header(1, 1)), HasSubstr("no track"));
}

TEST(Midi, bytes_after_the_last_track_are_told_and_a_cut_track_is_refused) {
  EXPECT_THAT(read(one_track(kNote) + "tail").warnings,
              ElementsAre("4 bytes after its last track"));
  EXPECT_THAT(read(one_track(kNote) + "XFIH" + big_endian(3, 4) + "abc").warnings, IsEmpty());
  EXPECT_THAT(refusal(one_track(kNote) + "MTrk" + big_endian(9, 4) + kNote), HasSubstr("cut off"));
  EXPECT_THAT(refusal(one_track(kNote) + "MTrk"), HasSubstr("cut off"));
}

TEST(Midi, changes_of_tempo_and_program_are_counted) {
  const std::string tempo = "\xff\x51\3\x07\xa1\x20";
  const MidiScore score = read(one_track("\0"s + tempo + "\0\xc0\0"s + kNote + "\1" + tempo + "\1" +
                                         tempo + "\0\xc0\5\0\xc0\5\0\xc0\0\0\xc1\x10"s + kEnd));
  EXPECT_EQ(score.tempo_changes, 2);
  EXPECT_EQ(score.program_changes, 3);
}

TEST(Midi, the_tempo_is_the_one_at_the_beginning) {
  const std::string slow = "\0\xff\x51\3\x0f\x42\x40"s, zero = "\0\xff\x51\3\0\0\0"s,
                    short_one = "\0\xff\x51\1\1"s, late = "\x10\xff\x51\3\x07\xa1\x20"s;
  EXPECT_EQ(read(one_track(slow + zero + short_one + late + kEnd)).microseconds_per_quarter,
            1'000'000);
  EXPECT_EQ(read(one_track(kEnd)).microseconds_per_quarter, 500'000);
}

TEST(Midi, every_truncation_is_refused_or_told) {
  const std::string whole = as_text(encode_midi(some_score()));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    if (size > 14 && whole.substr(size).starts_with("MTrk")) {
      EXPECT_EQ(read(cut).warnings.size(), 1U);
    } else {
      EXPECT_THAT(refusal(cut), StartsWith("a.mid is not a whole MIDI file: "));
    }
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
  EXPECT_EQ(refusal(header(0, 1, 0xE728) + track(kEnd)),
            "a.mid: a MIDI file timed in SMPTE frames, expected ticks of a quarter note");
  EXPECT_EQ(refusal(header(0, 1, 0) + track(kEnd)),
            "a.mid: a MIDI file with a division of 0 ticks a quarter note, expected 1 to 32767");
  EXPECT_EQ(refusal("RIFF\x40\0\0\0RMIDdata"s),
            "a.mid: a MIDI file inside a RIFF file (.rmi), expected a plain MIDI file");
  EXPECT_THAT(refusal("MThd" + big_endian(4, 4) + std::string(6, '\0')), HasSubstr("header"));
  EXPECT_THAT(refusal(header(0, 1) + "MTrk\xff\xff\xff\xff" + kNote), HasSubstr("cut off"));
  EXPECT_THAT(refusal(one_track("\0\xf0\xff\xff\xff\x7f"s + kEnd)), HasSubstr("cut off"));
  EXPECT_THAT(refusal(one_track("\0\xff\1\xff\xff\xff\x7f"s + kEnd)), HasSubstr("cut off"));
  EXPECT_THAT(refusal(one_track("\xff\xff\xff\xff\x7f"s + kEnd)), HasSubstr("4 bytes"));
  EXPECT_THAT(refusal(one_track("\0\x3c\x40"s + kEnd)), HasSubstr("without a meaning"));
  EXPECT_THAT(refusal(one_track("\0\xf4"s + kEnd)), HasSubstr("without a meaning"));
  EXPECT_THAT(refusal(one_track("\0\x90\x8c\x40"s + kEnd)),
              HasSubstr("a value of 140 in a note-on, expected 0 to 127"));
  EXPECT_THAT(refusal(one_track("\0\xc1\x80"s + kEnd)),
              HasSubstr("a value of 128 in a program change, expected 0 to 127"));
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
