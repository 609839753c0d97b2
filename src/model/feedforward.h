// The products of a block's feed-forward part with the non-linearity between them, f(u) =
// u·sigmoid(1.702·u) (paper §5.2), where rows are fused (fused_rows.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "attention/kernels/kernels.h"
#include "model/linear.h"

namespace sparse_transformer {

/// What can compute it of activations like x; the last always can.
std::vector<KernelKind> feedforward_kernels(const Linear& expand, const at::Tensor& x);

/// contract(f(expand(x))) without contract's bias; x: [..., d]. For the backward pass are kept x,
/// the product with expand, and f of it. Differentiable once.
at::Tensor expand_and_contract(const Linear& expand, const Linear& contract, const at::Tensor& x,
                               KernelKind kernel);

}  // namespace sparse_transformer
