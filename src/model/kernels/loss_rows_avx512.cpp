#define SPARSE_TRANSFORMER_VECTOR_BYTES 64
#include "model/kernels/loss_rows_code.inl"

namespace sparse_transformer {

const LossInstructionSet avx512_loss = {"avx512", kLossKernels<float>, kLossKernels<double>};

}  // namespace sparse_transformer
