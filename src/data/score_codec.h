// Samples of scores → MIDI files and piano rolls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "data/score_grid.h"
#include "files/image.h"

namespace sparse_transformer {

/// The samples (cells of such a grid) one after another with two beats of rest between, 100 beats a
/// minute; a track for each voice.
std::vector<std::byte> encode_midi_samples(const ScoreGrid& grid,
                                           const std::vector<std::vector<std::uint8_t>>& samples,
                                           const std::string& comment);

/// The samples below each other: time to the right, pitch upwards, a colour for each
/// voice, where a note begins darker; a line for each C and each beat.
Image draw_piano_roll(const ScoreGrid& grid, const std::vector<std::vector<std::uint8_t>>& samples);

}  // namespace sparse_transformer
