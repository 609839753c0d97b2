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

/// Which fused kernels compute a part of the model on CUDA. Where one does not serve, the next does
/// that is there.
///
/// Attention: our own compute a whole layer (union_cuda.h), the others piece by piece: LibTorch's
/// FlashAttention-2 (in float32 its memory-efficient attention), and cuDNN's graphs
/// (cudnn_attention.h), which leave what they have no kernel for to the former. The feed-forward
/// part: products of our own with the non-linearity in them (model/feedforward.h), or cuBLAS's, and
/// a pass over memory between them.
enum class KernelKind : std::uint8_t { kOwn, kFlash, kCudnn, kCublas };
inline constexpr std::array<std::string_view, 4> kKernelKindWords = {"own", "flash", "cudnn",
                                                                     "cublas"};

}  // namespace sparse_transformer
