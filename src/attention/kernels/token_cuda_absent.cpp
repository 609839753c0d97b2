// In place of token_cuda.cpp where there is no CUDA compiler.
#include <stdexcept>

#include "attention/kernels/token_cuda.h"

namespace sparse_transformer {

std::optional<TokenAttention> TokenAttention::of(const KeyValueCache& /*cache*/) {
  return std::nullopt;
}

at::Tensor TokenAttention::attend(std::int64_t /*layer*/, const at::Tensor& /*packed*/,
                                  const at::Tensor& /*position*/) const {
  throw std::logic_error("TokenAttention: not in this build");
}

}  // namespace sparse_transformer
