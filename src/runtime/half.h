// Numbers of half precision as memory holds them, for code of the processor and of the GPU.
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
using Float16 = HalfNumber<HalfType::kFloat16>;

}  // namespace sparse_transformer
