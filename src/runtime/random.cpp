#include "runtime/random.h"

#include <cmath>
#include <numbers>

namespace sparse_transformer {

namespace {

// The multipliers and the key's increments of the paper's Philox-4x32.
constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9;  // the golden ratio
constexpr std::uint32_t kWeyl1 = 0xBB67AE85;  // sqrt(3) - 1
constexpr int kRounds = 10;

std::uint32_t high_word(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }
std::uint32_t low_word(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

}  // namespace

std::array<std::uint32_t, 4> philox(std::uint64_t key,
                                    const std::array<std::uint32_t, 4>& counter) {
  std::array<std::uint32_t, 4> words = counter;
  std::uint32_t key0 = low_word(key);
  std::uint32_t key1 = high_word(key);
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = kMultiplier0 * words[0];
    const std::uint64_t product1 = kMultiplier1 * words[2];
    words = {high_word(product1) ^ words[1] ^ key0, low_word(product1),
             high_word(product0) ^ words[3] ^ key1, low_word(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return words;
}

double to_uniform(std::uint32_t high, std::uint32_t low) {
  // 52 bits and a half: with 53 the largest value would round to 1.
  const std::uint64_t bits = (std::uint64_t{high} << 32 | low) >> 12;
  return (static_cast<double>(bits) + 0.5) * 0x1p-52;
}

std::array<double, 2> to_normal(const std::array<std::uint32_t, 4>& words) {
  const double radius = std::sqrt(-2.0 * std::log(to_uniform(words[0], words[1])));
  const double angle = 2.0 * std::numbers::pi * to_uniform(words[2], words[3]);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace sparse_transformer
