// The kernels behind banded.h by cuDNN's graphs, which NVIDIA's front end of headers describes:
// half precision on CUDA. Contracts as there; a piece is computed alone. In a build without the
// front end nothing is served.
#pragma once

#include <cstdint>

#include "attention/kernels/banded.h"

namespace sparse_transformer {

/// Whether cuDNN has kernels for this: float16 and bfloat16, widths that are a multiple of 8 up to
/// 128, any band, but one that is bounded on the left only for no more queries than keys.
bool banded_cudnn_serves(at::ScalarType type, std::int64_t query_width, std::int64_t value_width,
                         std::int64_t queries, std::int64_t keys, BandMask mask);

/// Tensors are read in place. Throws WorldError where cuDNN refuses, for example on an older GPU.
/// Like LibTorch's operations they may be recorded in a CUDA graph once they have run.
BandedOutput banded_forward_cudnn(const at::Tensor& query, const at::Tensor& key,
                                  const at::Tensor& value, BandMask mask, double scale);
/// Repeats bit for bit where LibTorch is asked for that (take_repeatable_kernels): on GPUs before
/// Blackwell then in memory of queries · keys.
BandedGradients banded_backward_cudnn(const at::Tensor& d_out, const at::Tensor& query,
                                      const at::Tensor& key, const at::Tensor& value,
                                      const at::Tensor& out, const at::Tensor& lse, BandMask mask,
                                      double scale);

}  // namespace sparse_transformer
