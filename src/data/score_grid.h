// Scores ↔ grids of time steps × voices, one byte a cell, step by step and in each step voice by
// voice, the highest first:
//
//     soprano  72 hold hold hold   74 hold   76 hold
//     alto     67 hold hold hold hold hold rest rest     →  72 67, hold hold, … 74 hold, …
//
// A cell is a pitch (0 … 127) where a note begins, or kHold or kRest (token_data.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "files/midi.h"

namespace sparse_transformer {

struct ScoreGrid {
  std::int64_t voices = 0;
  std::int64_t steps_per_beat = 0;  // time steps a quarter note
};

/// A note of a grid: [start, end) in time steps.
struct GridNote {
  std::int64_t voice, start, end;
  std::int32_t pitch;

  bool operator==(const GridNote&) const = default;
};

struct ScoreCells {
  std::vector<std::uint8_t> cells;
  std::int64_t notes = 0;     // of the score, without drums
  std::int64_t left_out = 0;  // of these, for want of a free voice
};

/// The cells of a score, from its beginning to the end of its last note: a whole number of steps.
/// Notes begin and end at the nearest step and last at least one; the drums' channel is left out.
/// What one track plays on one channel is a voice, in the order of the mean pitches, where there
/// are just as many of these as voices and none plays two notes at once. Else each note, at each
/// step the highest first, goes to the first voice that is free then; one that finds none is left
/// out. Throws UserError naming `name` for a score of more than 2^20 steps.
ScoreCells cells_of(const MidiScore& score, const ScoreGrid& grid, const std::string& name);

/// The notes in cells, by voice and start. The last step may be unfinished; a hold without a note
/// before it and values that are no cell count as rests.
std::vector<GridNote> notes_of(std::span<const std::uint8_t> cells, std::int64_t voices);

}  // namespace sparse_transformer
