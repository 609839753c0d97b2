// Layers on a few rows, on the CPU and without autograd, by the kernels of rows.h and token.h,
// written into memory that is there already. Float32 or float64, all tensors alike and dense.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "attention/kernels/token.h"
#include "model/linear.h"
#include "model/norm.h"

namespace sparse_transformer {

/// A copy of a linear layer in the order in which it is read.
struct PackedLinear {
  std::int64_t outs;
  at::Tensor weight;  // [panels, in, kPanel]
  at::Tensor bias;    // [panels, kPanel]
};

/// An undefined bias is 0.
PackedLinear packed(const Linear& linear);

/// x: [..., d], y: as many numbers.
void normalise_rows(const Norm& norm, const at::Tensor& x, const at::Tensor& y);

/// x: [..., in], y: [..., out], or as many numbers.
void multiply_rows(const PackedLinear& linear, const at::Tensor& x, const at::Tensor& y,
                   After after);

}  // namespace sparse_transformer
