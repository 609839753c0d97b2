// The embedding of sequences by kernels of our own on CUDA (embedding.cuh), from tables in float32.
// In a build without a CUDA compiler nothing is served. Tensors are dense; without autograd.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace sparse_transformer {

bool embedding_cuda_serves(const at::Tensor& token_table);

/// tables: [256, d] of the tokens, [size, d] of each axis of positions, one to three of which the
/// last varies fastest, [d] of the start vector. tokens: [batch, T] uint8. Gives [batch, padded, d]
/// of `type` as Embedding::forward does.
at::Tensor embedding_cuda(at::TensorList tables, const at::Tensor& tokens, std::int64_t padded,
                          at::ScalarType type);

/// The gradients of the tables. axes: rows of each axis's. Repeats bit for bit.
std::vector<at::Tensor> embedding_gradient_cuda(const at::Tensor& d_out, const at::Tensor& tokens,
                                                at::IntArrayRef axes);

}  // namespace sparse_transformer
