#include "runtime/random.h"

#include <cmath>
#include <numbers>

#include "runtime/philox.h"

namespace sparse_transformer {

std::array<std::uint32_t, 4> philox(std::uint64_t key,
                                    const std::array<std::uint32_t, 4>& counter) {
  const PhiloxWords words = philox_words(key, {{counter[0], counter[1], counter[2], counter[3]}});
  return std::to_array(words.word);
}

double to_uniform(std::uint32_t high, std::uint32_t low) { return uniform_of(high, low); }

std::array<double, 2> to_normal(const std::array<std::uint32_t, 4>& words) {
  const double radius = std::sqrt(-2.0 * std::log(to_uniform(words[0], words[1])));
  const double angle = 2.0 * std::numbers::pi * to_uniform(words[2], words[3]);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace sparse_transformer
