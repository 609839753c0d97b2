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
  bool drums = false;               // whether drums are notes like any others
};

/// A note of a grid: [start, end) in time steps.
struct GridNote {
  std::int64_t voice, start, end;
  std::int32_t pitch;

  bool operator==(const GridNote&) const = default;
};

/// Counts of what is in scores, but not in their grids.
struct ScoreLosses {
  std::int64_t notes = 0;  // of the scores, those counted below included
  std::int64_t drums = 0;
  std::int64_t empty = 0;      // MidiScore::empty_notes
  std::int64_t voiceless = 0;  // no voice was free
  std::int64_t tempo_changes = 0, program_changes = 0;

  ScoreLosses& operator+=(const ScoreLosses& other);
};

/// A sentence for each kind of losses that there are.
std::vector<std::string> sentences(const ScoreLosses& losses, const ScoreGrid& grid);

struct ScoreCells {
  std::vector<std::uint8_t> cells;
  ScoreLosses losses;
};

/// The cells of a score, from its beginning to the end of its last note: a whole number of steps,
/// at least one. Notes begin and end at the nearest step and last at least one; without
/// `grid.drums` the drums' channel is left out. What one track plays on one channel is a voice, in
/// the order of the mean pitches, where there are just as many of these as voices and none plays
/// two notes at once. Else each note, at each step the highest first, goes to the first voice that
/// is free then; one that finds none is left out. Throws UserError naming `name` for a score
/// without notes, with only drums that are left out, or of more than 2^20 steps.
ScoreCells cells_of(const MidiScore& score, const ScoreGrid& grid, const std::string& name);

/// The notes in cells, by voice and start. The last step may be unfinished; a hold without a note
/// before it and values that are no cell count as rests.
std::vector<GridNote> notes_of(std::span<const std::uint8_t> cells, std::int64_t voices);

}  // namespace sparse_transformer
