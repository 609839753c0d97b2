// Samples of sound → a picture of them.
#pragma once

#include <cstdint>
#include <vector>

#include "files/image.h"

namespace sparse_transformer {

/// The samples (8-bit µ-law) below each other: time to the right, frequency upwards to half the
/// sample rate, the louder the darker, white from 70 dB below the loudest. At most 800 columns,
/// each of 256 samples under a Hann window. Of more than 200 samples the first 200, or the picture
/// would be larger than any program shows.
Image draw_spectrogram(std::int64_t sample_rate,
                       const std::vector<std::vector<std::uint8_t>>& samples);

}  // namespace sparse_transformer
