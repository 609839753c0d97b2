// Which kernels compute a part of the model where there are several: the fastest of those that are
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

/// By the part: for a layer's attention the name of its pattern (LayerPattern::name()), or
/// kFeedforward, which with its space is the name of none.
using KernelChoice = std::map<std::string, KernelKind>;
inline constexpr const char* kFeedforward = "feed forward";

/// "attention of local", "feed-forward".
std::string part_text(const std::string& part);

/// What can compute a layer of tensors like `packed`: on the CPU and for what only one serves, one.
std::vector<KernelKind> attention_kernels(const at::Tensor& packed, const LayerPattern& pattern,
                                          const HeadShape& shape);

struct KernelCandidate {
  KernelKind kernel;
  /// The output, then gradients, of as many positions as can be compared.
  std::function<std::vector<at::Tensor>()> compute;
  std::function<double()> seconds;  // of a forward and backward pass at full length
};

/// The candidate of the smallest median over some rounds. Out is one that throws, is farther from
/// `plain`, the same in float32, than rounding takes it (each tensor by itself), or (where
/// `repeatable`) gives other bits the second time. Logs a line about it, and one about the choice.
/// Throws WorldError where none is left.
KernelKind fastest_kernel(const std::string& part, const std::vector<KernelCandidate>& candidates,
                          const std::vector<at::Tensor>& plain, bool repeatable);

/// What of `recorded` is among the kernels that can be had here, by the part; each of the rest is
/// warned of.
KernelChoice available_kernels(const KernelChoice& recorded,
                               const std::map<std::string, std::vector<KernelKind>>& here);

}  // namespace sparse_transformer
