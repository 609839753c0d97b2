#define SPARSE_TRANSFORMER_VECTOR_BYTES 16
#include "attention/kernels/tiles_code.h"

namespace sparse_transformer {

const InstructionSet kBaselineInstructions = {"baseline", kTiles<float>, kTiles<double>};

}  // namespace sparse_transformer
