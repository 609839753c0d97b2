// Which kernels compute a layer's attention where there are several: the fastest of those that are
// right, by measurement.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "attention/head_shape.h"
#include "attention/kernels/kernels.h"
#include "attention/pattern.h"

namespace sparse_transformer {

/// By the name of the layer's pattern (LayerPattern::name()).
using KernelChoice = std::map<std::string, AttentionKernel>;

/// What can compute a layer of tensors like `packed`: on the CPU and for what only one serves, one.
/// `repeatable`: only what repeats bit for bit.
std::vector<AttentionKernel> attention_kernels(const at::Tensor& packed,
                                               const LayerPattern& pattern, const HeadShape& shape,
                                               bool repeatable);

/// A layer's output and the gradient of what it was given.
struct AttentionResult {
  at::Tensor out;       // [batch, n, heads, value_width]
  at::Tensor d_packed;  // [batch, n, heads, packed_width]
};

struct KernelCandidate {
  AttentionKernel kernel;
  std::function<AttentionResult()> compute;  // as many positions as can be compared
  std::function<double()> seconds;           // of a forward and backward pass at full length
};

/// The candidate of the smallest median over some rounds. Out is one that throws, is farther from
/// `plain`, the same in float32, than rounding takes it, or (where `repeatable`) gives other bits
/// the second time. Logs a line about it, and one about the choice. Throws WorldError where none is
/// left.
AttentionKernel fastest_kernel(const std::string& pattern,
                               const std::vector<KernelCandidate>& candidates,
                               const AttentionResult& plain, const HeadShape& shape,
                               bool repeatable);

/// What of `recorded` is among the kernels that can be had here, by the pattern's name; each of the
/// rest is warned of.
KernelChoice available_kernels(const KernelChoice& recorded,
                               const std::map<std::string, std::vector<AttentionKernel>>& here);

}  // namespace sparse_transformer
