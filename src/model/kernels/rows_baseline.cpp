#define SPARSE_TRANSFORMER_VECTOR_BYTES 16
#include "model/kernels/rows_code.inl"

namespace sparse_transformer {

const RowInstructionSet baseline_rows = {"baseline", kRowKernels<float>, kRowKernels<double>,
                                         kRowKernels<Bfloat16, float>};

}  // namespace sparse_transformer
