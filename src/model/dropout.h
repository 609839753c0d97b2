// Dropout whose mask is a function of where it falls, not of what was drawn before: a resumed run
// and recomputation draw the same mask again, and splitting a step into micro-batches or processes
// changes no mask. The backward pass draws it again, too, rather than keep it.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <utility>

#include "attention/kernels/kernels.h"
#include "model/kernels/rows.h"

namespace sparse_transformer {

/// Where a mask falls. Key of the random numbers: seed; counter: the rest and the element.
struct DropoutPlace {
  std::uint64_t seed = 0;
  std::int64_t step = 0;
  std::int64_t first_sequence = 0;  // of the step, that x[0] holds
  std::int64_t site = 0;            // a block's two are 2·layer and 2·layer + 1
  /// [] int64 on the model's device, read when the kernel runs, so that a CUDA graph draws new
  /// masks each time; it must not change before the backward pass has run. Undefined: `step`.
  at::Tensor step_on_device = {};
};

/// Sites outside the blocks.
inline constexpr std::int64_t kOutputSite = -1, kTokenSite = -2;
inline constexpr std::int64_t kPositionSite = -3;  // of the first table; -4 of the next, …

/// x / (1 - p) with each element zeroed with probability p. x is [batch, …, width], of any type.
/// Plain kernels keep a mask for the backward pass, a byte an element. Differentiable once.
at::Tensor dropout(const at::Tensor& x, double p, const DropoutPlace& place,
                   Kernels kernels = Kernels::kFused);

/// What an autograd function keeps of its dropout: no mask.
struct KeptDropout : torch::CustomClassHolder {
  KeptDropout(double its_p, DropoutPlace its_place) : p(its_p), place(std::move(its_place)) {}

  /// For the kernels of rows.h on a dense x, [batch, …, width].
  RowMask mask(const at::Tensor& x) const;

  const double p;  // 0: nothing is dropped
  const DropoutPlace place;
};

}  // namespace sparse_transformer
