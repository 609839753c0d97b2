#ifdef __x86_64__
#define SPARSE_TRANSFORMER_VECTOR_BYTES 64
#include "attention/kernels/bfloat16_pairs.inl"
#include "attention/kernels/tiles_code.inl"

namespace sparse_transformer {

const InstructionSet avx512_bf16_instructions = {"avx512_bf16", kTiles<float>, kTiles<double>,
                                                 kTiles<Bfloat16, Bfloat16Pair>};

}  // namespace sparse_transformer
#endif
