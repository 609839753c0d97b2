// Attention by itself, as one run of the clock.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "attention/head_shape.h"
#include "attention/kernel_choice.h"
#include "attention/kernels/kernels.h"
#include "attention/pattern.h"
#include "training/settings.h"

namespace sparse_transformer {

/// What a layer's attention is given, at random: micro_batch sequences, padded.
struct AttentionInput {
  AttentionInput(const Settings& settings, c10::Device device);

  HeadShape shape;
  at::Tensor packed;  // [batch, n, heads, packed width], wants a gradient
  at::Tensor d_out;   // [batch, n, heads, value width], the gradient of the output
};

/// A forward and a backward pass: the output, and the gradients of queries, keys and values, which
/// are of different sizes.
std::vector<at::Tensor> attend(const LayerPattern& pattern, Kernels kernels, KernelKind kernel,
                               const AttentionInput& input);

/// Forward and backward passes of one layer's attention.
class AttentionPass {
 public:
  AttentionPass(LayerPattern pattern, Kernels kernels, KernelKind kernel, AttentionInput input,
                std::int64_t count);
  void run() const;  // and waits

 private:
  LayerPattern pattern_;
  Kernels kernels_;
  KernelKind kernel_;
  AttentionInput input_;
  std::int64_t count_;
};

}  // namespace sparse_transformer
