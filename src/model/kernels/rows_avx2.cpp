#define SPARSE_TRANSFORMER_VECTOR_BYTES 32
#include "model/kernels/rows_code.inl"

namespace sparse_transformer {

const RowInstructionSet avx2_rows = {"avx2", kRowKernels<float>, kRowKernels<double>,
                                     kRowKernels<Bfloat16, float>};

}  // namespace sparse_transformer
