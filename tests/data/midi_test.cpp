#include "data/midi.h"

#include <gmock/gmock.h>

#include <string>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "files/midi.h"
#include "tests/data/all_tokens.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class MidiDataTest : public testing::Test {
 protected:
  void write(const std::string& name, std::vector<MidiNote> notes) {
    write_file(folder_ / name,
               encode_midi({.ticks_per_quarter = 480, .notes = std::move(notes), .comment = ""}));
  }
  DataSettings settings() const {
    DataSettings settings;
    settings.source = DataSource::kMidi;
    settings.path = {folder_.path().string()};
    settings.midi = {.voices = 2, .steps_per_beat = 2};
    settings.split = {.valid = 0.0, .test = 0.0};
    return settings;
  }

  TemporaryFolder folder_;
};

TEST_F(MidiDataTest, EachFileIsAPartOfWholeSteps) {
  write("a.mid", {{0, 0, 72, 0, 480}, {1, 0, 60, 0, 240}});
  write("b.mid", {{0, 0, 50, 240, 480}});
  const DataSet data = open_data(settings());
  EXPECT_EQ(data.format, (TokenFormat{TokenFormat::Kind::kScore, {}, 0, 2, 2}));
  EXPECT_THAT(data.train->part_starts(), ElementsAre(0, 4));
  EXPECT_THAT(all_tokens(*data.train), ElementsAre(72, 60, kHold, kRest, kRest, kRest, 50, kRest));
}

TEST_F(MidiDataTest, DamagedFilesAndScoresWithoutNotesAreNamed) {
  write("a.mid", {{0, 0, 72, 0, 480}});
  write("b.mid", {});
  write_file(folder_ / "c.mid", std::string_view("MThd"));
  write_file(folder_ / "d.txt", std::string_view("no score"));
  const DataSet data = open_data(settings());
  EXPECT_EQ(data.train->size(), 4);
  ASSERT_THAT(data.skipped, SizeIs(3));
  EXPECT_THAT(data.skipped[0].reason, HasSubstr("b.mid: a score without notes"));
  EXPECT_THAT(data.skipped[1].reason, HasSubstr("c.mid is not a whole MIDI file"));
  EXPECT_THAT(data.skipped[2].reason, HasSubstr("d.txt is not a MIDI file"));
}

TEST_F(MidiDataTest, NotesWithoutAFreeVoiceAreCounted) {
  write("a.mid", {{0, 0, 72, 0, 480}, {0, 0, 67, 0, 480}, {0, 0, 60, 0, 480}});
  write("b.mid", {{0, 0, 72, 0, 480}});
  EXPECT_THAT(open_data(settings()).left_out,
              ElementsAre("1 of 4 notes: no voice was free (data.midi.voices: 2)"));
  DataSettings three = settings();
  three.midi.voices = 3;
  EXPECT_THAT(open_data(three).left_out, ::testing::IsEmpty());
}

TEST_F(MidiDataTest, DrumsAreLeftOutAndCountedOrKept) {
  write("a.mid", {{0, 0, 72, 0, 240}, {0, 9, 36, 0, 240}, {0, 9, 38, 0, 240}});
  write("b.mid", {{0, 9, 36, 0, 240}});
  const DataSet left = open_data(settings());
  EXPECT_THAT(all_tokens(*left.train), ElementsAre(72, kRest));
  EXPECT_THAT(left.left_out,
              ElementsAre("2 of 3 notes: drums, channel 10 (data.midi.drums: leave)"));
  ASSERT_THAT(left.skipped, SizeIs(1));
  EXPECT_THAT(left.skipped[0].reason, HasSubstr("b.mid: only drums (channel 10)"));
  EXPECT_FALSE(left.format.drums);
  DataSettings keeping = settings();
  keeping.midi.drums = Drums::kKeep;
  const DataSet kept = open_data(keeping);
  EXPECT_THAT(all_tokens(*kept.train), ElementsAre(72, 38, 36, kRest));
  EXPECT_THAT(kept.left_out, ElementsAre("1 of 4 notes: no voice was free (data.midi.voices: 2)"));
  EXPECT_TRUE(kept.format.drums);
}

TEST_F(MidiDataTest, WhatIsOddInAFileIsSaid) {
  const std::vector<MidiNote> notes = {{0, 0, 72, 0, 240}, {1, 0, 60, 0, 240}};
  std::vector<std::byte> file = encode_midi({.notes = notes, .comment = ""});
  file[11] = std::byte{1};  // tracks
  write_file(folder_ / "a.mid", file);
  write("b.mid", notes);
  EXPECT_THAT(
      open_data(settings()).warnings,
      ElementsAre((folder_ / "a.mid").string() + ": it has 2 tracks, though its header says 1"));
}

TEST_F(MidiDataTest, TransposingIsForScores) {
  write("a.mid", {{0, 0, 72, 0, 480}});
  DataSettings transposed = settings();
  transposed.transpose = 5;
  EXPECT_EQ(open_data(transposed).train->size(), 4);
  transposed.source = DataSource::kBytes;
  EXPECT_THAT([&] { open_data(transposed); }, ::testing::ThrowsMessage<SettingError>(
                                                  HasSubstr("data.transpose: got 5, but bytes")));
}

TEST_F(MidiDataTest, SoundAndScoresHaveNoShape) {
  DataSettings shaped = settings();
  shaped.shape = {8, 8, 1};
  for (const DataSource source : {DataSource::kMidi, DataSource::kAudio}) {
    shaped.source = source;
    EXPECT_THAT([&] { shaped.picture_shape(); },
                ::testing::ThrowsMessage<SettingError>(HasSubstr("no pictures; leave it out")));
  }
}

}  // namespace
}  // namespace sparse_transformer
