// The operations of fused_rows.h and dropout.h without autograd, on one kind of device. Matrices
// are dense [..., width], vectors [width]; what is formed of a matrix has its type.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/kernels/rows.h"

namespace sparse_transformer {

class RowOperations {
 public:
  struct Normed {
    at::Tensor y;
    at::Tensor mean, reciprocal;  // [rows], of the type of the gain
  };
  struct NormGradient {
    at::Tensor x, gain, shift;
  };
  struct SummedGradient {
    at::Tensor x, bias;  // bias: the sum of x over rows, of the type of the bias
  };

  virtual ~RowOperations() = default;

  /// Whether activations of this type are served.
  virtual bool serves(c10::Device device, at::ScalarType type) const = 0;

  virtual Normed norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& shift,
                      double epsilon) const = 0;
  /// With the gradient of x as it is, d_other, added. Of `normed`, y is not read.
  virtual NormGradient norm_gradient(const at::Tensor& x, const Normed& normed,
                                     const at::Tensor& gain, const at::Tensor& d_y,
                                     const at::Tensor& d_other) const = 0;
  virtual at::Tensor drop(const at::Tensor& x, const RowMask& mask) const = 0;
  virtual SummedGradient drop_and_sum(const at::Tensor& x, const RowMask& mask) const = 0;
  virtual at::Tensor residual(const at::Tensor& h, const at::Tensor& y, const at::Tensor& bias,
                              const RowMask& mask) const = 0;
  virtual at::Tensor gelu(const at::Tensor& x, const at::Tensor& bias) const = 0;
  virtual SummedGradient gelu_gradient(const at::Tensor& x, const at::Tensor& bias,
                                       const at::Tensor& d_y) const = 0;
};

const RowOperations& cpu_row_operations();
/// Serves nothing in a build without a CUDA compiler, or without code for this GPU.
const RowOperations& cuda_row_operations();

/// Those of the device of x.
inline const RowOperations& row_operations(const at::Tensor& x) {
  return x.is_cuda() ? cuda_row_operations() : cpu_row_operations();
}

inline std::int64_t rows_of(const at::Tensor& x) { return x.numel() / x.size(-1); }

}  // namespace sparse_transformer
