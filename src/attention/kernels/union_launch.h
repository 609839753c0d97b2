// The CUDA kernels of band_tiles.cuh as functions of the host. What they do is in band_forward.cuh
// and band_backward.cuh. `stream` is a cudaStream_t; errors are CUDA's codes, 0 is none.
#pragma once

#include "attention/kernels/band_call.h"

namespace sparse_transformer {

/// Whether there is a device that this build has code for.
bool launch_is_possible();

int launch_band_forward(const BandCall& call, HalfType type, void* stream);

/// `delta` of all heads of a layer of `rows` queries (batch · n · heads): before any backward call.
int launch_delta(const LayerMemory& memory, std::int64_t rows, std::int32_t value_width,
                 HalfType type, void* stream);

int launch_band_backward(const BandCall& call, HalfType type, void* stream);

const char* launch_error(int code);

}  // namespace sparse_transformer
