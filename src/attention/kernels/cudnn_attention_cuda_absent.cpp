// In place of cudnn_attention_cuda.cpp where there is no CUDA compiler or no front end of cuDNN's.
#include <stdexcept>

#include "attention/kernels/cudnn_attention.h"

namespace sparse_transformer {
namespace {

std::logic_error absent() { return std::logic_error("attention by cuDNN: not in this build"); }

}  // namespace

bool banded_cudnn_serves(at::ScalarType /*type*/, std::int64_t /*query_width*/,
                         std::int64_t /*value_width*/, std::int64_t /*queries*/,
                         std::int64_t /*keys*/, BandMask /*mask*/) {
  return false;
}

BandedOutput banded_forward_cudnn(const at::Tensor& /*query*/, const at::Tensor& /*key*/,
                                  const at::Tensor& /*value*/, BandMask /*mask*/,
                                  double /*scale*/) {
  throw absent();
}

BandedGradients banded_backward_cudnn(const at::Tensor& /*d_out*/, const at::Tensor& /*query*/,
                                      const at::Tensor& /*key*/, const at::Tensor& /*value*/,
                                      const at::Tensor& /*out*/, const at::Tensor& /*lse*/,
                                      BandMask /*mask*/, double /*scale*/) {
  throw absent();
}

}  // namespace sparse_transformer
