#define SPARSE_TRANSFORMER_VECTOR_BYTES 64
#include "model/kernels/rows_code.inl"

namespace sparse_transformer {

const RowInstructionSet avx512_rows = {"avx512", kRowKernels<float>, kRowKernels<double>,
                                       kRowKernels<Bfloat16, float>};

}  // namespace sparse_transformer
