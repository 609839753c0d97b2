// In place of device_source_cuda.cpp where there is no CUDA compiler.
#include "generation/token_source.h"

namespace sparse_transformer {

std::unique_ptr<TokenSource> device_source(const Transformer& /*model*/,
                                           const BatchDraw& /*batch*/) {
  return nullptr;
}

}  // namespace sparse_transformer
