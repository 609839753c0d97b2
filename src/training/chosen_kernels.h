// The kernels of a model's attention and of its feed-forward part on CUDA: chosen by measurement
// when training begins and kept in its checkpoints, so that a run that goes on computes as it did.
#pragma once

#include <c10/core/Device.h>

#include <optional>

#include "attention/kernel_choice.h"
#include "training/attention_pass.h"
#include "training/settings.h"

namespace sparse_transformer {

/// `known`, and the choice for what it does not name of the settings' patterns and the feed-forward
/// part. On the CPU and with plain kernels there is no choice, and `known` comes back. Throws
/// Interrupted, and WorldError as fastest_kernel() does.
KernelChoice choose_kernels(const Settings& settings, c10::Device device, KernelChoice known = {});

/// The same for one pattern's attention: nothing where there is no choice.
std::optional<KernelKind> choose_attention_kernel(const Settings& settings,
                                                  const LayerPattern& pattern,
                                                  const AttentionInput& input);

/// What of a checkpoint's choice these settings can have on this device; the rest is warned of.
KernelChoice available_kernels(const Settings& settings, c10::Device device,
                               const KernelChoice& recorded);

}  // namespace sparse_transformer
