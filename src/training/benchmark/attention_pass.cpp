#include "training/benchmark/attention_pass.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

#include "attention/sparse_attention.h"

namespace sparse_transformer {

AttentionPass::AttentionPass(LayerPattern pattern, const HeadShape& shape, Kernels kernels,
                             at::Tensor packed, at::Tensor d_out, std::int64_t count)
    : pattern_(std::move(pattern)),
      shape_(shape),
      kernels_(kernels),
      packed_(std::move(packed)),
      d_out_(std::move(d_out)),
      count_(count) {}

void AttentionPass::run() const {
  at::Tensor gradient;
  for (std::int64_t i = 0; i < count_; ++i) {
    const at::Tensor out = sparse_attention(packed_, pattern_, shape_, kernels_);
    gradient = torch::autograd::grad({out}, {packed_}, {d_out_}).front();
  }
  gradient.flatten().select(0, 0).item<double>();
}

}  // namespace sparse_transformer
