// Which code computes where there is a choice.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace sparse_transformer {

/// Fused kernels, or plain operations of LibTorch that do the same: slower, in more memory, simple
/// to trust. Results differ by rounding alone.
enum class Kernels : std::uint8_t { kFused, kPlain };
inline constexpr std::array<std::string_view, 2> kKernelsWords = {"fused", "plain"};

/// Which fused kernels compute a part of the model on CUDA.
///
/// Attention: our own compute a whole layer (union_cuda.h); LibTorch's compute piece by piece, by
/// FlashAttention-2 in half precision and by its memory-efficient attention in float32.
/// Feed-forward part: products of our own with the non-linearity in them (model/feedforward.h), or
/// cuBLAS's with a pass over memory between them.
enum class KernelKind : std::uint8_t { kOwn, kFlash, kCublas };
inline constexpr std::array<std::string_view, 3> kKernelKindWords = {"own", "flash", "cublas"};

/// By the part: for a layer's attention the name of its pattern (LayerPattern::name()), or
/// kFeedforward, which with its space is the name of none.
using KernelChoice = std::map<std::string, KernelKind>;
inline constexpr const char* kFeedforward = "feed forward";

}  // namespace sparse_transformer
