#if defined(__x86_64__)
#define SPARSE_TRANSFORMER_VECTOR_BYTES 32
#include "attention/kernels/tiles_code.h"

namespace sparse_transformer {

const InstructionSet kAvx2Instructions = {"avx2", kTiles<float>, kTiles<double>};

}  // namespace sparse_transformer
#endif
