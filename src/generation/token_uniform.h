// The random number of a sample's position, for the processor and the GPU.
#pragma once

#include <cstdint>

#include "runtime/philox.h"

namespace sparse_transformer {

/// Uniform in (0, 1), a function of the three alone.
constexpr double token_uniform(std::uint64_t seed, std::int64_t sample, std::int64_t position) {
  const PhiloxWords words = philox_words(
      seed, {{static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32),
              static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(sample >> 32)}});
  return uniform_of(words.word[0], words.word[1]);
}

}  // namespace sparse_transformer
