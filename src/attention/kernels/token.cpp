#include <algorithm>

#include "attention/kernels/banded_fused.h"
#include "attention/kernels/token_fused.h"

namespace sparse_transformer {

template <>
const TokenKernels<float>& token_kernels() {
  static const TokenKernels<float>& kernels = instruction_sets().front()->token_float32;
  return kernels;
}

template <>
const TokenKernels<double>& token_kernels() {
  static const TokenKernels<double>& kernels = instruction_sets().front()->token_float64;
  return kernels;
}

std::int64_t token_grain(std::int64_t multiply_adds) {
  constexpr std::int64_t kLeast = 1 << 16;
  return std::max<std::int64_t>(1, kLeast / std::max<std::int64_t>(1, multiply_adds));
}

}  // namespace sparse_transformer
