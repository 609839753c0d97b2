// In place of rows_cuda.cpp where there is no CUDA compiler.
#include <stdexcept>

#include "model/kernels/row_operations.h"

namespace sparse_transformer {
namespace {

class AbsentRowOperations : public RowOperations {
 public:
  bool serves(c10::Device /*device*/, at::ScalarType /*type*/) const override { return false; }

  Normed norm(const at::Tensor& /*x*/, const at::Tensor& /*gain*/, const at::Tensor& /*shift*/,
              double /*epsilon*/) const override {
    throw absent();
  }
  NormGradient norm_gradient(const at::Tensor& /*x*/, const Normed& /*normed*/,
                             const at::Tensor& /*gain*/, const at::Tensor& /*d_y*/,
                             const at::Tensor& /*d_other*/) const override {
    throw absent();
  }
  at::Tensor drop(const at::Tensor& /*x*/, const RowMask& /*mask*/) const override {
    throw absent();
  }
  SummedGradient drop_and_sum(const at::Tensor& /*x*/, const RowMask& /*mask*/) const override {
    throw absent();
  }
  at::Tensor residual(const at::Tensor& /*h*/, const at::Tensor& /*y*/, const at::Tensor& /*bias*/,
                      const RowMask& /*mask*/) const override {
    throw absent();
  }
  at::Tensor gelu(const at::Tensor& /*x*/, const at::Tensor& /*bias*/) const override {
    throw absent();
  }
  SummedGradient gelu_gradient(const at::Tensor& /*x*/, const at::Tensor& /*bias*/,
                               const at::Tensor& /*d_y*/) const override {
    throw absent();
  }

 private:
  static std::logic_error absent() {
    return std::logic_error("cuda_row_operations: not in this build");
  }
};

}  // namespace

const RowOperations& cuda_row_operations() {
  static const AbsentRowOperations operations;
  return operations;
}

}  // namespace sparse_transformer
