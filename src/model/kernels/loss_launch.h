// The CUDA kernels of loss.cuh as functions of the host. `stream` is a cudaStream_t; errors are
// CUDA's codes, 0 is none.
#pragma once

#include <cstdint>

#include "model/kernels/loss_rows.h"

namespace sparse_transformer {

/// nats: [rows], of each token. Writes `lse`, too.
int launch_loss(const LossRows<float>& loss, std::int64_t rows, float* nats, void* stream);

/// d_logits: [rows, 256], the gradient of the sum of nats times d_sum[0]. Reads `lse`.
int launch_loss_gradient(const LossRows<float>& loss, std::int64_t rows, const float* d_sum,
                         float* d_logits, void* stream);

}  // namespace sparse_transformer
