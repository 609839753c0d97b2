#define SPARSE_TRANSFORMER_VECTOR_BYTES 64
#include "attention/kernels/token_code.inl"

namespace sparse_transformer {

const TokenInstructionSet avx512_token = {"avx512", kTokenKernels<float>, kTokenKernels<double>};

}  // namespace sparse_transformer
