#define SPARSE_TRANSFORMER_VECTOR_BYTES 16
#include "attention/kernels/token_code.inl"

namespace sparse_transformer {

const TokenInstructionSet baseline_token = {"baseline", kTokenKernels<float>,
                                            kTokenKernels<double>};

}  // namespace sparse_transformer
