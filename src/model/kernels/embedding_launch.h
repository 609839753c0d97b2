// The CUDA kernels of embedding.cuh as functions of the host. `stream` is a cudaStream_t; errors
// are CUDA's codes, 0 is none.
#pragma once

#include "model/kernels/embedding_work.h"

namespace sparse_transformer {

/// tokens: [batch, length]; out: [batch, padded, width] of `type`.
int launch_embedding(const EmbeddingSizes& sizes, const EmbeddingTables& tables,
                     const std::uint8_t* tokens, void* out, ActivationType type, void* stream);

/// d_out: as `out`; sums: [stretches, rows, width].
int launch_embedding_gradient(const EmbeddingSizes& sizes, const EmbeddingStretches& stretches,
                              const std::uint8_t* tokens, const void* d_out, float* sums,
                              ActivationType type, void* stream);

}  // namespace sparse_transformer
