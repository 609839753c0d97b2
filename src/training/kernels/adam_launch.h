// The CUDA kernels of adam.cuh as functions of the host. `stream` is a cudaStream_t; errors are
// CUDA's codes, 0 is none.
#pragma once

#include "training/kernels/adam_work.h"

namespace sparse_transformer {

/// `sums`: [work.chunks()], on the device as all that is pointed to.
int launch_squares(const AdamWork& work, float* sums, void* stream);
int launch_norm(const float* sums, std::int32_t count, float* norm, void* stream);
int launch_update(const AdamWork& work, const AdamNumbers& numbers, void* stream);

}  // namespace sparse_transformer
