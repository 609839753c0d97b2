// Random-looking numbers as a pure function of a seed and a counter, the same on every machine.
#pragma once

#include <cstdint>

namespace sparse_transformer {

/// The finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", 2014): a bijection in which every input bit changes about half the output bits.
constexpr std::uint64_t scrambled(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31);
}

/// 64 bits for (seed, counter). Chain it for more counters: mix(mix(seed, a), b).
constexpr std::uint64_t mix(std::uint64_t seed, std::uint64_t counter) {
  return scrambled(scrambled(seed) + 0x9E3779B97F4A7C15U * (counter + 1));
}

}  // namespace sparse_transformer
