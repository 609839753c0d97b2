// 8-bit µ-law sound (ITU-T G.711): about 14 bits of range in a byte, finer for quiet samples.
#pragma once

#include <cstdint>

namespace sparse_transformer {

/// The code of a 16-bit sample (0xFF = +0, 0x80 = loudest positive, 0x00 = loudest negative);
/// louder than ±32,635 is clipped.
std::uint8_t mu_law_encode(std::int16_t sample);
/// The 16-bit sample that a code stands for, within ±32,124.
std::int16_t mu_law_decode(std::uint8_t code);

}  // namespace sparse_transformer
