#include "data/mu_law.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

namespace sparse_transformer {

namespace {

// G.711 works on 14 bits with a bias of 33; these are 16 bits, so everything is times 4. With the
// bias, segment e holds the magnitudes whose highest bit is e + 7, in 16 equal steps.
constexpr int kBias = 33 * 4;
constexpr int kLargest = 32767 - kBias;

}  // namespace

std::uint8_t mu_law_encode(std::int16_t sample) {
  const int magnitude = std::min(std::abs(int{sample}), kLargest) + kBias;
  const int segment = static_cast<int>(std::bit_width(static_cast<unsigned>(magnitude))) - 8;
  const int step = (magnitude >> (segment + 3)) & 0x0F;
  const int sign = sample < 0 ? 0x80 : 0;
  return static_cast<std::uint8_t>(~(sign | (segment << 4) | step));
}

std::int16_t mu_law_decode(std::uint8_t code) {
  const int bits = 0xFF ^ code;
  const int segment = (bits >> 4) & 0x07;
  const int magnitude = (((bits & 0x0F) << 3) + kBias) * (1 << segment) - kBias;
  return static_cast<std::int16_t>((bits & 0x80) != 0 ? -magnitude : magnitude);
}

}  // namespace sparse_transformer
