// Bounds of settings, so that no product of them overflows 64 bits.
#pragma once

#include <cstdint>

namespace sparse_transformer {

inline constexpr std::int64_t kMostSteps = 1'000'000'000'000;  // of a run, or between its events
inline constexpr std::int64_t kMostBatch = 1'000'000;          // sequences a step

}  // namespace sparse_transformer
