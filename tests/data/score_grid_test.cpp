#include "data/score_grid.h"

#include <gmock/gmock.h>

#include <random>
#include <vector>

#include "config/errors.h"
#include "data/token_data.h"
#include "tests/files/expect_error.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Cells = std::vector<std::uint8_t>;

constexpr std::uint8_t h = kHold, r = kRest;

/// Cells at four steps a quarter of 480 ticks, so that a step is 120 ticks.
Cells cells(const std::vector<MidiNote>& notes, std::int64_t voices) {
  const MidiScore score = {.ticks_per_quarter = 480, .notes = notes, .comment = ""};
  return cells_of(score, {.voices = voices, .steps_per_beat = 4}, "a.mid").cells;
}

TEST(ScoreGrid, TracksAreVoicesTheHighestFirst) {
  EXPECT_EQ(cells({{1, 0, 48, 0, 240}, {3, 0, 72, 0, 120}, {3, 0, 74, 120, 240}}, 2),
            (Cells{72, 48, 74, h}));
}

TEST(ScoreGrid, VoicesMayCrossWhereTheyAreTracks) {
  EXPECT_EQ(
      cells({{0, 0, 72, 0, 120}, {1, 0, 60, 0, 120}, {0, 0, 60, 120, 240}, {1, 0, 64, 120, 240}},
            2),
      (Cells{72, 60, 60, 64}));
}

TEST(ScoreGrid, TheChannelsOfOneTrackAreVoicesToo) {
  EXPECT_EQ(cells({{0, 5, 60, 0, 120}, {0, 2, 72, 0, 120}, {0, 5, 80, 120, 240}}, 2),
            (Cells{72, 60, r, 80}));
}

TEST(ScoreGrid, ChordsAreDealtFromTheHighestNote) {
  EXPECT_EQ(
      cells({{0, 0, 60, 0, 240}, {0, 0, 64, 0, 120}, {0, 0, 67, 0, 120}, {0, 0, 72, 120, 240}}, 3),
      (Cells{67, 64, 60, 72, r, h}));
}

TEST(ScoreGrid, TracksWithChordsAreDealt) {
  EXPECT_EQ(cells({{0, 0, 72, 0, 120}, {0, 0, 76, 0, 120}, {1, 0, 60, 120, 240}}, 2),
            (Cells{76, 72, 60, r}));
}

TEST(ScoreGrid, ANoteThatFindsNoVoiceIsLeftOut) {
  EXPECT_EQ(cells({{0, 0, 60, 0, 240}, {0, 0, 64, 0, 240}, {0, 0, 67, 120, 240}}, 2),
            (Cells{64, 60, h, h}));
}

TEST(ScoreGrid, OtherNumbersOfTracksAreDealtToo) {
  EXPECT_EQ(cells({{0, 0, 60, 0, 120}, {1, 0, 72, 0, 120}}, 3), (Cells{72, 60, r}));
  EXPECT_EQ(cells({{0, 0, 60, 0, 120}, {1, 0, 72, 0, 120}}, 1), (Cells{72}));
}

TEST(ScoreGrid, NotesBeginAndEndAtTheNearestStepAndLastOne) {
  EXPECT_EQ(cells({{0, 0, 60, 59, 181}, {0, 0, 62, 300, 310}}, 1), (Cells{60, h, r, 62}));
  EXPECT_EQ(cells({{0, 0, 60, 60, 179}}, 1), (Cells{r, 60}));
  EXPECT_EQ(cells({{0, 0, 60, 0, 0}}, 1), (Cells{60}));
}

TEST(ScoreGrid, ARepeatedNoteIsNotAHeldOne) {
  EXPECT_EQ(cells({{0, 0, 60, 0, 120}, {0, 0, 60, 120, 240}}, 1), (Cells{60, 60}));
}

TEST(ScoreGrid, DrumsAreLeftOut) {
  EXPECT_EQ(cells({{0, 9, 35, 0, 480}, {1, 0, 60, 0, 120}}, 1), (Cells{60}));
}

TEST(ScoreGrid, DrumsThatAreKeptAreNotes) {
  const MidiScore score = {
      .ticks_per_quarter = 480, .notes = {{0, 9, 35, 0, 240}, {1, 0, 60, 0, 120}}, .comment = ""};
  const ScoreGrid grid = {.voices = 2, .steps_per_beat = 4, .drums = true};
  const ScoreCells found = cells_of(score, grid, "a.mid");
  EXPECT_EQ(found.cells, (Cells{60, 35, r, h}));
  EXPECT_EQ(found.losses.drums, 0);
}

TEST(ScoreGrid, NothingToHearIsRefusedInItsOwnWords) {
  EXPECT_EQ(message_of<UserError>([] { cells({}, 1); }), "a.mid: a score without notes");
  EXPECT_EQ(message_of<UserError>([] {
              cells({{0, 9, 35, 0, 480}}, 1);
            }),
            "a.mid: only drums (channel 10), which data.midi.drums leaves out; keep reads them as "
            "notes");
}

TEST(ScoreGrid, WhatIsLeftOutIsCountedAndSaid) {
  const MidiScore score = {.ticks_per_quarter = 480,
                           .notes = {{0, 0, 60, 0, 240}, {0, 0, 64, 0, 240}, {0, 9, 35, 0, 240}},
                           .comment = "",
                           .empty_notes = 2,
                           .tempo_changes = 1,
                           .program_changes = 3};
  const ScoreGrid grid = {.voices = 1, .steps_per_beat = 4};
  ScoreLosses losses = cells_of(score, grid, "a.mid").losses;
  EXPECT_THAT(sentences(losses, grid),
              ElementsAre("1 of 5 notes: drums, channel 10 (data.midi.drums: leave)",
                          "2 of 5 notes: of no length, beside another of the same pitch",
                          "1 of 5 notes: no voice was free (data.midi.voices: 1)",
                          "1 change of tempo: time is counted in beats",
                          "3 changes of program: instruments are not told apart"));
  losses += losses;
  EXPECT_THAT(sentences(losses, grid), ::testing::Contains("6 changes of program: instruments are "
                                                           "not told apart"));
  EXPECT_EQ(losses.notes, 10);
  EXPECT_THAT(sentences({}, grid), IsEmpty());
}

TEST(ScoreGrid, AScoreOfTooManyStepsIsRefused) {
  EXPECT_THAT(message_of<UserError>([] {
                cells({{0, 0, 60, 0, std::int64_t{1} << 31}}, 4);
              }),
              HasSubstr("a.mid: a score of 17895697 time steps, expected 1048576 at most"));
}

TEST(ScoreGrid, CellsBecomeNotesAgain) {
  EXPECT_THAT(notes_of(Cells{72, 48, h, h, r, 50, 74, 50}, 2),
              ElementsAre(GridNote{0, 0, 2, 72}, GridNote{0, 3, 4, 74}, GridNote{1, 0, 2, 48},
                          GridNote{1, 2, 3, 50}, GridNote{1, 3, 4, 50}));
}

TEST(ScoreGrid, WhatIsNoNoteIsSilent) {
  EXPECT_THAT(notes_of(Cells{h, h, 60, 200, h, 255}, 1), ElementsAre(GridNote{0, 2, 3, 60}));
  EXPECT_THAT(notes_of(Cells{60, 50, h}, 2),
              ElementsAre(GridNote{0, 0, 2, 60}, GridNote{1, 0, 1, 50}));
  EXPECT_THAT(notes_of(Cells{}, 2), IsEmpty());
}

TEST(ScoreGrid, RandomScoresFillTheirVoicesWithoutOverlap) {
  std::mt19937 random(3);
  for (int i = 0; i < 200; ++i) {
    std::vector<MidiNote> notes;
    for (int j = 0; j < 60; ++j) {
      const auto start = static_cast<std::int64_t>(random() % 5000);
      notes.push_back({static_cast<std::int32_t>(random() % 3), 0,
                       static_cast<std::int32_t>(random() % 128), start,
                       start + static_cast<std::int64_t>(random() % 900)});
    }
    const Cells grid = cells(notes, 3);
    ASSERT_EQ(grid.size() % 3, 0U);
    for (std::size_t cell = 0; cell < grid.size(); ++cell) {
      ASSERT_LE(grid[cell], kRest);
      const bool goes_on = cell >= 3 && grid[cell - 3] != kRest;
      ASSERT_TRUE(grid[cell] != kHold || goes_on);
    }
  }
}

}  // namespace
}  // namespace sparse_transformer
