#include "data/score_codec.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "files/canvas.h"

namespace sparse_transformer {

namespace {

using Samples = std::vector<std::vector<std::uint8_t>>;

/// A channel of its own for each of 15 voices, so that one does not end another's note.
std::int32_t channel_of(std::int64_t voice) {
  const auto channel = static_cast<std::int32_t>(voice % 15);
  return channel < kDrumChannel ? channel : channel + 1;
}

std::int64_t steps_of(const std::vector<std::uint8_t>& sample, const ScoreGrid& grid) {
  return (std::ssize(sample) + grid.voices - 1) / grid.voices;
}

// ---- piano rolls ----

// Colours that the colour-blind can tell apart (Okabe and Ito, 2008).
constexpr std::array<Colour, 6> kVoices = {
    {{213, 94, 0}, {0, 114, 178}, {0, 158, 115}, {204, 121, 167}, {230, 159, 0}, {86, 180, 233}}};
constexpr Colour kBeatLine{235, 235, 235}, kFourBeatsLine{200, 200, 200}, kText{90, 90, 90};
// Pixels: for the names of pitches; a step; a semitone; between samples. The last three as long as
// the picture stays below kLargestSide, half of it for notes and half for gaps.
constexpr double kMargin = 40.0, kStepWidth = 8.0, kSemitoneHeight = 6.0, kGap = 14.0;
constexpr double kLargestSide = 30'000.0;

/// Where the notes of the samples lie on the picture.
struct RollLayout {
  std::int64_t steps = 1, lowest = 127, highest = 0, count = 0;
  double step_width = 0.0, semitone_height = 0.0, gap = 0.0;

  double roll_height() const { return static_cast<double>(highest - lowest + 1) * semitone_height; }
  double width() const { return kMargin + static_cast<double>(steps) * step_width + kGap; }
  double height() const { return gap + static_cast<double>(count) * (roll_height() + gap); }
  double x(std::int64_t step) const { return kMargin + static_cast<double>(step) * step_width; }
  double top(std::int64_t roll) const {
    return gap + static_cast<double>(roll) * (roll_height() + gap);
  }
  /// The upper edge of a pitch.
  double y(std::int64_t roll, std::int64_t pitch) const {
    return top(roll) + static_cast<double>(highest - pitch) * semitone_height;
  }
};

RollLayout layout_of(const std::vector<std::vector<GridNote>>& rolls, const ScoreGrid& grid,
                     const Samples& samples) {
  RollLayout layout;
  layout.count = std::ssize(samples);
  for (const auto& sample : samples) layout.steps = std::max(layout.steps, steps_of(sample, grid));
  for (const auto& notes : rolls) {
    for (const GridNote& note : notes) {
      layout.lowest = std::min<std::int64_t>(layout.lowest, note.pitch - 1);
      layout.highest = std::max<std::int64_t>(layout.highest, note.pitch + 1);
    }
  }
  if (layout.lowest > layout.highest) layout.lowest = 48, layout.highest = 72;  // no notes at all
  layout.step_width = std::min(kStepWidth, kLargestSide / static_cast<double>(layout.steps));
  const std::int64_t rows = layout.count * (layout.highest - layout.lowest + 1);
  layout.semitone_height =
      std::min(kSemitoneHeight, kLargestSide / 2.0 / static_cast<double>(rows));
  layout.gap = std::min(kGap, kLargestSide / 2.0 / static_cast<double>(layout.count));
  return layout;
}

void draw_lines(Canvas& canvas, const RollLayout& layout, std::int64_t roll,
                std::int64_t steps_per_beat) {
  const double bottom = layout.top(roll) + layout.roll_height();
  for (std::int64_t beat = 0; beat * steps_per_beat <= layout.steps; ++beat) {
    const double x = layout.x(beat * steps_per_beat);
    canvas.stroke_line(x, layout.top(roll), x, bottom, 1.0,
                       beat % 4 == 0 ? kFourBeatsLine : kBeatLine);
  }
  for (std::int64_t pitch = layout.lowest; pitch <= layout.highest; ++pitch) {
    if (pitch % 12 != 0) continue;  // only C
    const double y = layout.y(roll, pitch) + layout.semitone_height;
    canvas.stroke_line(kMargin, y, layout.x(layout.steps), y, 1.0, kFourBeatsLine);
    canvas.text(kMargin - 6.0, y, "C" + std::to_string(pitch / 12 - 1), 11.0, Canvas::Align::kRight,
                kText);
  }
}

Colour darker(Colour colour) {
  const auto part = [](std::uint8_t value) { return static_cast<std::uint8_t>(value * 2 / 3); };
  return {part(colour.red), part(colour.green), part(colour.blue)};
}

void draw_note(Canvas& canvas, const RollLayout& layout, std::int64_t roll, const GridNote& note) {
  const Colour colour = kVoices[static_cast<std::size_t>(note.voice) % kVoices.size()];
  const double x = layout.x(note.start), y = layout.y(roll, note.pitch);
  canvas.fill_rectangle(x, y, layout.x(note.end) - x, layout.semitone_height, colour);
  canvas.fill_rectangle(x, y, layout.step_width / 4.0, layout.semitone_height, darker(colour));
}

}  // namespace

std::vector<std::byte> encode_midi_samples(const ScoreGrid& grid, const Samples& samples,
                                           const std::string& comment) {
  constexpr std::int64_t kTicksPerStep = 120, kRestBeats = 2;
  MidiScore score = {.ticks_per_quarter = kTicksPerStep * grid.steps_per_beat,
                     .microseconds_per_quarter = 600'000,  // 100 a minute
                     .notes = {},
                     .comment = comment};
  std::int64_t begin = 0;
  for (const auto& sample : samples) {
    for (const GridNote& note : notes_of(sample, grid.voices)) {
      score.notes.push_back({.track = static_cast<std::int32_t>(note.voice),
                             .channel = channel_of(note.voice),
                             .pitch = note.pitch,
                             .start = (begin + note.start) * kTicksPerStep,
                             .end = (begin + note.end) * kTicksPerStep});
    }
    begin += steps_of(sample, grid) + kRestBeats * grid.steps_per_beat;
  }
  return encode_midi(score);
}

Image draw_piano_roll(const ScoreGrid& grid, const Samples& samples) {
  std::vector<std::vector<GridNote>> rolls;
  for (const auto& sample : samples) rolls.push_back(notes_of(sample, grid.voices));
  const RollLayout layout = layout_of(rolls, grid, samples);
  Canvas canvas(std::lround(layout.width()), std::lround(layout.height()));
  for (std::int64_t roll = 0; roll < layout.count; ++roll) {
    draw_lines(canvas, layout, roll, grid.steps_per_beat);
    for (const GridNote& note : rolls[static_cast<std::size_t>(roll)]) {
      draw_note(canvas, layout, roll, note);
    }
  }
  return canvas.image();
}

}  // namespace sparse_transformer
