#include "data/transposition.h"

#include <algorithm>

#include "data/mix.h"

namespace sparse_transformer {

namespace {

constexpr std::int64_t kHighest = 127;

bool is_pitch(std::uint8_t cell) { return cell <= kHighest; }

}  // namespace

std::int64_t drawn_semitones(std::uint64_t seed, std::int64_t g, std::int64_t most) {
  constexpr std::uint64_t kTransposition = ~std::uint64_t{0};  // no epoch has this number
  const std::uint64_t random = mix(mix(seed, kTransposition), static_cast<std::uint64_t>(g));
  return static_cast<std::int64_t>(random % static_cast<std::uint64_t>(2 * most + 1)) - most;
}

void transpose(std::span<std::uint8_t> cells, std::int64_t semitones) {
  std::int64_t lowest = kHighest, highest = 0;
  for (const std::uint8_t cell : cells) {
    if (!is_pitch(cell)) continue;
    lowest = std::min<std::int64_t>(lowest, cell);
    highest = std::max<std::int64_t>(highest, cell);
  }
  if (lowest > highest) return;  // all rests
  semitones = std::clamp(semitones, -lowest, kHighest - highest);
  for (std::uint8_t& cell : cells) {
    if (is_pitch(cell)) cell = static_cast<std::uint8_t>(cell + semitones);
  }
}

}  // namespace sparse_transformer
