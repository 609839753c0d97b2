#define SPARSE_TRANSFORMER_VECTOR_BYTES 16
#include "model/kernels/loss_rows_code.inl"

namespace sparse_transformer {

const LossInstructionSet baseline_loss = {"baseline", kLossKernels<float>, kLossKernels<double>};

}  // namespace sparse_transformer
