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

/// "attention of local", "feed-forward".
std::string part_text(const std::string& part);

/// A choice as the setting training.kernel_choice has it, PART=KERNEL each: "local+column=own",
/// "feed forward=cublas".
std::vector<std::string> choice_words(const KernelChoice& choice);
/// Throws SettingError.
KernelChoice choice_of_words(const std::vector<std::string>& words);

/// What can compute a layer of tensors like `packed`: on the CPU and for what only one serves, one.
std::vector<KernelKind> attention_kernels(const at::Tensor& packed, const LayerPattern& pattern,
                                          const HeadShape& shape);

struct KernelCandidate {
  KernelKind kernel;
  /// The output, then gradients, of as many positions as can be compared.
  std::function<std::vector<at::Tensor>()> compute;
  std::function<double()> estimate;  // of the seconds at full length, from a short pass
  std::function<double()> seconds;   // of a forward and backward pass at full length
};

/// How kernels are compared.
struct KernelTrial {
  std::string part;
  std::vector<KernelCandidate> candidates;
  std::vector<at::Tensor> plain;  // what they should compute, in float32
  bool repeatable = true;         // the same bits each time
  /// Waits for the device; throws where it is in an error that does not go away.
  std::function<void()> synchronise = [] {};
};

/// Returns the candidate with the smallest median over some rounds, within some seconds. Leaves out
/// one that throws, that is farther from `plain` than rounding takes it (each tensor by itself),
/// that gives other bits the second time where `repeatable`, or that by estimate takes several
/// times as long as the best. Where a pass takes seconds, estimates decide. Logs a line for each
/// that is left out and one for the choice. Throws WorldError where no candidate is left, and where
/// one leaves the device in an error: all later work would fail, too.
KernelKind fastest_kernel(const KernelTrial& trial);

/// What of `recorded` is among the kernels that can be had here, by the part; each of the rest is
/// warned of.
KernelChoice available_kernels(const KernelChoice& recorded,
                               const std::map<std::string, std::vector<KernelKind>>& here);

}  // namespace sparse_transformer
