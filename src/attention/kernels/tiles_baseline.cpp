#define SPARSE_TRANSFORMER_VECTOR_BYTES 16
#include "attention/kernels/tiles_code.inl"

namespace sparse_transformer {

const InstructionSet baseline_instructions = {"baseline", kTiles<float>, kTiles<double>,
                                              kTiles<Bfloat16, float>};

}  // namespace sparse_transformer
