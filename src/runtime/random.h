// Counter-based random numbers: Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", 2011). A number is a function of (key, counter), so nothing is stored and order does
// not matter.
#pragma once

#include <array>
#include <cstdint>

namespace sparse_transformer {

/// Four independent 32-bit words for a 64-bit key and a 128-bit counter.
std::array<std::uint32_t, 4> philox(std::uint64_t key, const std::array<std::uint32_t, 4>& counter);

/// Uniform in (0, 1), 52 bits, from two words: the middles of 2^52 equal intervals, so never 0 and
/// never 1.
double to_uniform(std::uint32_t high, std::uint32_t low);

/// Two independent standard normal numbers from four words (Box-Muller).
std::array<double, 2> to_normal(const std::array<std::uint32_t, 4>& words);

}  // namespace sparse_transformer
