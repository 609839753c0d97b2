#include "training/benchmark/attention_pass.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

#include "attention/sparse_attention.h"
#include "model/block.h"

namespace sparse_transformer {

AttentionInput::AttentionInput(const Settings& settings, c10::Device device)
    : shape(head_shape(settings.model)) {
  const std::int64_t n = settings.data.sequence_length();
  const std::int64_t stride = *settings.model.attention.stride;
  const std::int64_t padded = (n + stride - 1) / stride * stride;
  const std::int64_t sequences = settings.training.sequences_at_a_time();
  const std::int64_t heads = settings.model.heads;
  const auto options =
      at::TensorOptions(device).dtype(activation_type(settings.training.precision));
  packed = at::randn({sequences, padded, heads, shape.packed_width()}, options);
  packed.requires_grad_(true);
  d_out = at::randn({sequences, padded, heads, shape.value_width}, options);
}

AttentionPass::AttentionPass(LayerPattern pattern, Kernels kernels, AttentionInput input,
                             std::int64_t count)
    : pattern_(std::move(pattern)), kernels_(kernels), input_(std::move(input)), count_(count) {}

void AttentionPass::run() const {
  at::Tensor gradient;
  for (std::int64_t i = 0; i < count_; ++i) {
    const at::Tensor out = sparse_attention(input_.packed, pattern_, input_.shape, kernels_);
    gradient = torch::autograd::grad({out}, {input_.packed}, {input_.d_out}).front();
  }
  gradient.flatten().select(0, 0).item<double>();
}

}  // namespace sparse_transformer
