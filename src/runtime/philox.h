// Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) for the
// processor and the GPU. runtime/random.h says what it is for.
#pragma once

#include <cstdint>

namespace sparse_transformer {

struct PhiloxWords {
  std::uint32_t word[4];
};

/// Four independent words for a 64-bit key and a 128-bit counter.
constexpr PhiloxWords philox_words(std::uint64_t key, PhiloxWords counter) {
  // The paper's multipliers, and the key's increments: the golden ratio and sqrt(3) - 1.
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  constexpr int kRounds = 10;
  auto key0 = static_cast<std::uint32_t>(key);
  auto key1 = static_cast<std::uint32_t>(key >> 32);
  PhiloxWords words = counter;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = kMultiplier0 * words.word[0];
    const std::uint64_t product1 = kMultiplier1 * words.word[2];
    words = {{static_cast<std::uint32_t>(product1 >> 32) ^ words.word[1] ^ key0,
              static_cast<std::uint32_t>(product1),
              static_cast<std::uint32_t>(product0 >> 32) ^ words.word[3] ^ key1,
              static_cast<std::uint32_t>(product0)}};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return words;
}

/// Uniform in (0, 1), the middles of 2^52 equal intervals: with 53 bits and a half the largest
/// value would round to 1.
constexpr double uniform_of(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (static_cast<std::uint64_t>(high) << 32 | low) >> 12;
  return (static_cast<double>(bits) + 0.5) * 0x1p-52;
}

}  // namespace sparse_transformer
