#define SPARSE_TRANSFORMER_VECTOR_BYTES 64
#include "attention/kernels/tiles_code.inl"

namespace sparse_transformer {

const InstructionSet avx512_instructions = {"avx512", kTiles<float>, kTiles<double>,
                                            kTiles<Bfloat16, float>};

}  // namespace sparse_transformer
