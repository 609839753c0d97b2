#define SPARSE_TRANSFORMER_VECTOR_BYTES 32
#include "model/kernels/loss_rows_code.inl"

namespace sparse_transformer {

const LossInstructionSet avx2_loss = {"avx2", kLossKernels<float>, kLossKernels<double>};

}  // namespace sparse_transformer
