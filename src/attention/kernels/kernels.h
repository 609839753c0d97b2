// Which code computes where there is a choice.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sparse_transformer {

/// Fused kernels, or plain operations of LibTorch that do the same: slower, in more memory, simple
/// to trust. Results differ by rounding alone.
enum class Kernels : std::uint8_t { kFused, kPlain };
inline constexpr std::array<std::string_view, 2> kKernelsWords = {"fused", "plain"};

}  // namespace sparse_transformer
