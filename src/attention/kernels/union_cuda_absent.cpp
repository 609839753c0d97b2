// In place of union_cuda.cpp where there is no CUDA compiler.
#include <stdexcept>

#include "attention/kernels/union_cuda.h"

namespace sparse_transformer {

bool union_cuda_serves(const at::Tensor& /*packed*/, const LayerPattern& /*pattern*/,
                       const HeadShape& /*shape*/) {
  return false;
}

BandedOutput union_forward_cuda(const at::Tensor& /*packed*/, const LayerPattern& /*pattern*/,
                                const HeadShape& /*shape*/) {
  throw std::logic_error("union_forward_cuda: not in this build");
}

at::Tensor union_backward_cuda(const at::Tensor& /*d_out*/, const at::Tensor& /*packed*/,
                               const BandedOutput& /*result*/, const LayerPattern& /*pattern*/,
                               const HeadShape& /*shape*/) {
  throw std::logic_error("union_backward_cuda: not in this build");
}

}  // namespace sparse_transformer
