#if defined(__x86_64__)
#define SPARSE_TRANSFORMER_VECTOR_BYTES 64
#include "attention/kernels/tiles_code.h"

namespace sparse_transformer {

const InstructionSet kAvx512Instructions = {"avx512", kTiles<float>, kTiles<double>};

}  // namespace sparse_transformer
#endif
