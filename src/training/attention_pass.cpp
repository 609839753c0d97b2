#include "training/attention_pass.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

#include "attention/sparse_attention.h"
#include "model/block.h"
#include "runtime/random_tensors.h"

namespace sparse_transformer {

AttentionInput::AttentionInput(const Settings& settings, c10::Device device)
    : shape(head_shape(settings.model)) {
  const std::int64_t padded =
      settings.model.attention.padded_length(settings.data.sequence_length());
  const std::int64_t sequences = settings.training.sequences_at_a_time();
  const std::int64_t heads = settings.model.heads;
  const auto options =
      at::TensorOptions(device).dtype(activation_type(settings.training.precision));
  RandomTensors random(1);
  packed = random({sequences, padded, heads, shape.packed_width()}, options);
  packed.requires_grad_(true);
  d_out = random({sequences, padded, heads, shape.value_width}, options);
}

std::vector<at::Tensor> attend(const LayerPattern& pattern, Kernels kernels, KernelKind kernel,
                               const AttentionInput& input) {
  const at::Tensor out = sparse_attention(input.packed, pattern, input.shape, kernels, kernel);
  const at::Tensor d_packed = torch::autograd::grad({out}, {input.packed}, {input.d_out}).front();
  const HeadShape& shape = input.shape;
  std::vector<at::Tensor> results =
      d_packed.split_with_sizes({shape.query_width, shape.query_width, shape.value_width}, 3);
  results.insert(results.begin(), out.detach());
  return results;
}

AttentionPass::AttentionPass(LayerPattern pattern, Kernels kernels, KernelKind kernel,
                             AttentionInput input, std::int64_t count)
    : pattern_(std::move(pattern)),
      kernels_(kernels),
      kernel_(kernel),
      input_(std::move(input)),
      count_(count) {}

void AttentionPass::run() const {
  at::Tensor gradient;
  for (std::int64_t i = 0; i < count_; ++i) {
    gradient = attend(pattern_, kernels_, kernel_, input_).back();
  }
  gradient[0][0][0][0].item<double>();
}

}  // namespace sparse_transformer
