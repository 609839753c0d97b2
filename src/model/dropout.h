// Dropout whose mask is a function of where it falls, not of what was drawn before: a resumed run
// and recomputation draw the same mask again, and splitting a step into micro-batches or processes
// changes no mask.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

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

/// x / (1 - p) with each element zeroed with probability p. x is [batch, …], dense, of any type; a
/// byte an element is kept for the backward pass. Differentiable once.
at::Tensor dropout(const at::Tensor& x, double p, const DropoutPlace& place);

}  // namespace sparse_transformer
