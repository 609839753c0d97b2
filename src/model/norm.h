// Layer normalisation in float32, whatever the activations are in.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

namespace sparse_transformer {

/// Over the last dimension; gain and bias [d], float32 (float64 in tests).
struct Norm {
  at::Tensor weight, bias;
  double epsilon = 1e-5;

  /// x: [..., d]. Statistics and arithmetic are in the type of the gain; the result is rounded to
  /// `type`. Of the input only x itself is kept for the backward pass. Differentiable once.
  at::Tensor operator()(const at::Tensor& x, c10::ScalarType type) const;
  /// The result in the type of x.
  at::Tensor operator()(const at::Tensor& x) const { return (*this)(x, x.scalar_type()); }
};

}  // namespace sparse_transformer
