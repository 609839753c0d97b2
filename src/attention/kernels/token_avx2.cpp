#define SPARSE_TRANSFORMER_VECTOR_BYTES 32
#include "attention/kernels/token_code.inl"

namespace sparse_transformer {

const TokenInstructionSet avx2_token = {"avx2", kTokenKernels<float>, kTokenKernels<double>};

}  // namespace sparse_transformer
