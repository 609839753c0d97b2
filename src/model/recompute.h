// Parts of a model whose inner results the backward pass computes again instead of having them kept
// (Chen et al. 2016, arXiv:1604.06174; paper §5.4).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace sparse_transformer {

using Part = std::function<at::Tensor(const at::Tensor&)>;

/// part(x), of which only x is kept. `parameters`: every tensor that `part` uses and whose gradient
/// is wanted. The part must compute the same each time (its dropout is counter-based), and what it
/// refers to must outlive the backward pass. Gradients equal those of part(x) bit for bit.
/// Differentiable once.
at::Tensor recomputed(const Part& part, const at::Tensor& x, at::TensorList parameters);

}  // namespace sparse_transformer
