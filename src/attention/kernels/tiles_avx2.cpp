#define SPARSE_TRANSFORMER_VECTOR_BYTES 32
#include "attention/kernels/tiles_code.inl"

namespace sparse_transformer {

const InstructionSet avx2_instructions = {"avx2", kTiles<float>, kTiles<double>,
                                          kTiles<Bfloat16, float>};

}  // namespace sparse_transformer
