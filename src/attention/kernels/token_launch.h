// The CUDA kernel of token_attend.cuh as a function of the host. `stream` is a cudaStream_t; errors
// are CUDA's codes, 0 is none.
#pragma once

#include "attention/kernels/token_call.h"

namespace sparse_transformer {

int launch_token_attention(const TokenCall& call, CacheType type, void* stream);

}  // namespace sparse_transformer
