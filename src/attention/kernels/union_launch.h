// The CUDA kernels of band_tiles.cuh as functions of the host. What they do is in band_forward.cuh
// and band_backward.cuh. `stream` is a cudaStream_t; errors are CUDA's codes, 0 is none.
#pragma once

#include "attention/kernels/union_work.h"

namespace sparse_transformer {

/// `delta` of all heads of a layer of `rows` queries (batch · n · heads): before any backward
/// launch.
int launch_delta(const LayerMemory& memory, std::int64_t rows, std::int32_t value_width,
                 HalfType type, void* stream);

/// `counters` (union_work.h) on the device. The lag is chosen here.
int launch_forward(UnionWork work, std::int32_t* counters, HalfType type, void* stream);
int launch_backward(UnionWork work, std::int32_t* counters, HalfType type, void* stream);

}  // namespace sparse_transformer
