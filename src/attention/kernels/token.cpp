#include <algorithm>

#include "attention/kernels/instructions.h"
#include "attention/kernels/token_fused.h"

namespace sparse_transformer {

std::vector<const TokenInstructionSet*> token_instruction_sets() {
  return runnable(baseline_token, avx2_token, avx512_token);
}

template <typename T>
const TokenKernels<T>& token_kernels() {
  static const TokenKernels<T>& best = kernels_of<T>(*token_instruction_sets().front());
  return best;
}
template const TokenKernels<float>& token_kernels();
template const TokenKernels<double>& token_kernels();

std::int64_t token_grain(std::int64_t multiply_adds) {
  constexpr std::int64_t kLeast = 1 << 17;
  return std::max<std::int64_t>(1, kLeast / std::max<std::int64_t>(1, multiply_adds));
}

}  // namespace sparse_transformer
