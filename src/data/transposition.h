// Scores in other keys, so that a model hears each in several.
#pragma once

#include <cstdint>
#include <span>

namespace sparse_transformer {

/// How far sequence g of a run is moved: a whole number of semitones from -most to most, a pure
/// function of (seed, g).
std::int64_t drawn_semitones(std::uint64_t seed, std::int64_t g, std::int64_t most);

/// Moves all pitches of a score's cells by as many semitones (up where positive), or by as many of
/// them as leave all pitches within 0 to 127.
void transpose(std::span<std::uint8_t> cells, std::int64_t semitones);

}  // namespace sparse_transformer
