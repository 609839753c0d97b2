// Tensors of random numbers for measurements and checks.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/TensorOptions.h>

#include <cstdint>

namespace sparse_transformer {

/// Draws the same tensors for the same seed and the same calls. Numbers are drawn on the CPU: a
/// capture of a CUDA graph that fails leaves LibTorch's generator of that device in the state of a
/// capture, and every later draw from it throws.
class RandomTensors {
 public:
  explicit RandomTensors(std::uint64_t seed);

  /// Standard normal numbers, float32 rounded to the type of `options`. They repeat after about a
  /// million, so that long tensors take no longer to draw.
  at::Tensor operator()(at::IntArrayRef sizes, const at::TensorOptions& options);

 private:
  at::Generator generator_;
};

}  // namespace sparse_transformer
