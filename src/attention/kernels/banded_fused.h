// The fused kernels behind banded.h, one file a device. Contracts as there; on CUDA a piece is
// computed alone.
#pragma once

#include <vector>

#include "attention/kernels/banded.h"
#include "attention/kernels/tiles.h"

namespace sparse_transformer {

/// What this processor can run, the fastest first; never empty.
std::vector<const InstructionSet*> instruction_sets();

/// Tiles (tiles.h): float32, float64, bfloat16. Repeatable bit for bit for any number of threads.
void add_banded_cpu(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                    BandMask mask, double scale, const BandedOutput& sum, Share share,
                    const InstructionSet& instructions);
void add_banded_gradients_cpu(const at::Tensor& d_out, const at::Tensor& query,
                              const at::Tensor& key, const at::Tensor& value, const at::Tensor& out,
                              const at::Tensor& lse, BandMask mask, double scale,
                              const BandedGradients& sum, Share share,
                              const InstructionSet& instructions);

/// Whether LibTorch's kernels for CUDA serve this: float16 and bfloat16 with any band
/// (FlashAttention-2, for which the narrower of queries and values are padded), float32 with a
/// causal or no mask (memory-efficient attention); widths that are a multiple of 8 up to 256.
bool banded_cuda_serves(const at::Tensor& query, const at::Tensor& value, BandMask mask);
BandedOutput banded_forward_cuda(const at::Tensor& query, const at::Tensor& key,
                                 const at::Tensor& value, BandMask mask, double scale);
BandedGradients banded_backward_cuda(const at::Tensor& d_out, const at::Tensor& query,
                                     const at::Tensor& key, const at::Tensor& value,
                                     const at::Tensor& out, const at::Tensor& lse, BandMask mask,
                                     double scale);

}  // namespace sparse_transformer
