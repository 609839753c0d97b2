// In which numbers a model computes, and what it keeps for the backward pass.
#pragma once

#include <c10/core/ScalarType.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "attention/kernels/kernels.h"

namespace sparse_transformer {

/// Of activations and their gradients, and of the products of matrices. In every precision float32
/// are: the weights and their gradients, norms (statistics and arithmetic), the embedding tables,
/// the softmax, logits and loss (paper §5.6).
enum class Precision : std::uint8_t { kFloat32, kBfloat16, kFloat16 };
inline constexpr std::array<std::string_view, 3> kPrecisionWords = {"fp32", "bf16", "fp16"};

/// The type of activations that would be in `full` where nothing is rounded.
at::ScalarType activation_type(Precision precision, at::ScalarType full = at::kFloat);

/// What the backward pass computes again rather than having it kept (paper §5.4, figure 4):
/// nothing, the attention half of each block, or whole blocks, of which only the boundaries are
/// kept then.
enum class Recompute : std::uint8_t { kNone, kAttention, kBlock };
inline constexpr std::array<std::string_view, 3> kRecomputeWords = {"none", "attention", "block"};

struct Computation {
  Precision precision = Precision::kFloat32;
  Recompute recompute = Recompute::kNone;
  Kernels kernels = Kernels::kFused;
  /// Whether the fused kernels of the norms, dropout, residual sums and GELU, and those that sample
  /// on CUDA, have passed their checks on the device (training/checked_kernels.h).
  bool trusts_rows = true, trusts_sampling = true;

  Kernels rows() const { return trusts_rows ? kernels : Kernels::kPlain; }
  Kernels sampling() const { return trusts_sampling ? kernels : Kernels::kPlain; }
};

}  // namespace sparse_transformer
