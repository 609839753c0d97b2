// Numbers of half precision as memory holds them: the processor's code, the GPU's and the tests'
// emulator only move their 16 bits.
#pragma once

#include <cstdint>

namespace sparse_transformer {

enum class HalfType { kBfloat16, kFloat16 };

template <HalfType kType>
struct HalfNumber {
  std::uint16_t bits;
};

/// The upper half of a float.
using Bfloat16 = HalfNumber<HalfType::kBfloat16>;

}  // namespace sparse_transformer
