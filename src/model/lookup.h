// Rows of a table by their numbers, as an embedding reads them.
#pragma once

#include <ATen/core/Tensor.h>

namespace sparse_transformer {

/// table: [rows, d]; index: [...] int64. Returns [..., d]. Differentiable once.
at::Tensor lookup(const at::Tensor& table, const at::Tensor& index);

/// The same with another gradient, which lookup() has on CUDA: a product with the indices as
/// one-hot vectors. Its sums have one order, and a CUDA graph can record it; the gradient of
/// LibTorch's operation sorts the indices and waits for the device.
at::Tensor lookup_by_product(const at::Tensor& table, const at::Tensor& index);

}  // namespace sparse_transformer
