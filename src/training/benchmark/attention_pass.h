// Attention by itself, as one run of the clock.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "attention/head_shape.h"
#include "attention/kernels/kernels.h"
#include "attention/pattern.h"

namespace sparse_transformer {

/// Forward and backward passes of one layer's attention, on what it was given.
class AttentionPass {
 public:
  /// `packed` [batch, n, heads, packed width] wants a gradient; `d_out` [batch, n, heads, value
  /// width] is that of the output. Several may share them.
  AttentionPass(LayerPattern pattern, const HeadShape& shape, Kernels kernels, at::Tensor packed,
                at::Tensor d_out, std::int64_t count);
  void run() const;  // and waits

 private:
  LayerPattern pattern_;
  HeadShape shape_;
  Kernels kernels_;
  at::Tensor packed_, d_out_;
  std::int64_t count_;
};

}  // namespace sparse_transformer
