// Pictures and tunes that the program makes itself, so that everything can be tried without a
// download.
//
// Item i is a function of (seed, i), in whole numbers only: the same on every machine, stored
// nowhere. Items [0, train) are training, then come validation and test.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/data_settings.h"
#include "data/token_data.h"

namespace sparse_transformer {

constexpr std::int64_t kTuneSampleRate = 4000;

/// Throws SettingError when the pictures are too small to hold a figure (8 pixels a side), the
/// tunes too short for three notes (512 tokens), or a split is given by paths.
DataSet open_generated(const DataSettings& settings);

/// One flat, solid figure (disc, square, triangle, ring) on a plain background; its size and place
/// are multiples of an eighth of the shorter side. `pixels` is [height, width, channels].
void draw_picture(std::uint64_t seed, std::int64_t index, std::span<const std::int64_t> shape,
                  std::span<std::uint8_t> pixels);

/// Two or three equally long notes of a scale of five, each a triangle wave that fades; µ-law
/// codes.
void play_tune(std::uint64_t seed, std::int64_t index, std::span<std::uint8_t> codes);

}  // namespace sparse_transformer
