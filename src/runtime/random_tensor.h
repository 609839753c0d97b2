// Tensors of random numbers for measurements and checks.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/TensorOptions.h>

namespace sparse_transformer {

/// Standard normal numbers, float32 rounded to the type of `options`. They are drawn on the CPU: a
/// capture of a CUDA graph that fails leaves LibTorch's generator of that device in the state of a
/// capture, and every later draw from it throws. So that long tensors take no longer to draw, the
/// numbers repeat after about a million.
at::Tensor random_tensor(at::IntArrayRef sizes, const at::TensorOptions& options);

}  // namespace sparse_transformer
