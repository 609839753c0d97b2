// The CUDA kernel of choice.cuh as a function of the host. `stream` is a cudaStream_t; errors are
// CUDA's codes, 0 is none.
#pragma once

#include "generation/kernels/choice_call.h"

namespace sparse_transformer {

int launch_choice(const ChoiceCall& call, void* stream);

}  // namespace sparse_transformer
