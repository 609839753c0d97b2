#include "data/score_codec.h"

#include <gmock/gmock.h>

#include <set>
#include <tuple>

#include "data/token_data.h"
#include "files/midi.h"
#include "files/png.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;
using Cells = std::vector<std::uint8_t>;

constexpr ScoreGrid kDuet = {.voices = 2, .steps_per_beat = 4};

TEST(ScoreCodec, SamplesFollowEachOtherAfterTwoBeats) {
  const auto file = encode_midi_samples(kDuet, {{72, 48, kHold, kRest}, {60, kRest}}, "seed: 7");
  const MidiScore score = decode_midi(file, "a.mid");
  EXPECT_EQ(score.ticks_per_quarter, 480);
  EXPECT_EQ(score.microseconds_per_quarter, 600'000);
  EXPECT_EQ(score.comment, "seed: 7");
  EXPECT_THAT(score.notes, ElementsAre(MidiNote{0, 0, 72, 0, 240}, MidiNote{1, 1, 48, 0, 120},
                                       MidiNote{0, 0, 60, 1200, 1320}));
}

TEST(ScoreCodec, AGridComesBackFromItsFile) {
  const Cells cells = {72, 60, kHold, 59, 76, kHold, kRest, 60, 72, kHold, 71, 62};
  const MidiScore score = decode_midi(encode_midi_samples(kDuet, {cells}, ""), "a.mid");
  EXPECT_EQ(cells_of(score, kDuet, "a.mid").cells, cells);
}

TEST(ScoreCodec, NoVoicePlaysOnTheDrums) {
  const ScoreGrid grid = {.voices = 64, .steps_per_beat = 64};
  const MidiScore score = decode_midi(encode_midi_samples(grid, {Cells(64, 60)}, ""), "a.mid");
  EXPECT_EQ(score.notes.size(), 64U);
  for (const MidiNote& note : score.notes) EXPECT_NE(note.channel, kDrumChannel);
}

using Rgb = std::tuple<int, int, int>;

std::set<Rgb> colours_of(const Image& image) {
  std::set<Rgb> colours;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    colours.insert({image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]});
  }
  return colours;
}

TEST(ScoreCodec, APianoRollHasAColourForEachVoice) {
  const Cells both = {72, 60, kHold, kHold}, upper = {72, kRest, kHold, kRest};
  const Rgb first = {213, 94, 0}, second = {0, 114, 178};
  const auto colours = [&](const Cells& cells) {
    return colours_of(draw_piano_roll(kDuet, {cells}));
  };
  EXPECT_TRUE(colours(both).contains(first));
  EXPECT_TRUE(colours(both).contains(second));
  EXPECT_TRUE(colours(upper).contains(first));
  EXPECT_FALSE(colours(upper).contains(second));
}

TEST(ScoreCodec, APianoRollGoesRightWithTimeAndUpWithPitch) {
  const Image image = draw_piano_roll(kDuet, {{60, kRest, 72, kRest}});
  // 14 semitones of 6 pixels from 14 down, 2 steps of 8 pixels from 40 on
  EXPECT_EQ(image.height, 14 + 15 * 6 + 14);
  EXPECT_EQ(image.width, 40 + 16 + 14);
  const auto red_at = [&](std::int64_t x, std::int64_t y) {
    return image.pixels[static_cast<std::size_t>((y * image.width + x) * 3)];
  };
  EXPECT_EQ(red_at(40 + 5, 14 + 13 * 6 + 3), 213);
  EXPECT_EQ(red_at(40 + 8 + 5, 14 + 6 + 3), 213);
  EXPECT_EQ(red_at(40 + 8 + 5, 14 + 13 * 6 + 3), 255);
}

TEST(ScoreCodec, APianoRollOfAnySizeStaysDrawable) {
  const std::vector<Cells> many(3000, Cells{0, 127});
  const Image tall = draw_piano_roll(kDuet, many);
  EXPECT_LT(tall.height, 32'000);
  const Image wide = draw_piano_roll(kDuet, {Cells(200'000, 60)});
  EXPECT_LT(wide.width, 32'000);
  for (const Cells& silent : {Cells{}, Cells(10, kRest)}) {
    EXPECT_GT(draw_piano_roll(kDuet, {silent}).height, 0);
  }
}

}  // namespace
}  // namespace sparse_transformer
