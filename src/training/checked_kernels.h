// Every kernel of our own is compared with plain operations on the GPU that a command computes on,
// before it is used: those of attention and of the feed-forward part when they are chosen
// (chosen_kernels.h), all others here. Takes some tenths of a second. The kernels of the CPU are
// checked by the tests only.
#pragma once

#include <c10/core/Device.h>

#include "model/computation.h"
#include "runtime/kernel_check.h"
#include "training/settings.h"

namespace sparse_transformer {

/// The settings' computation, without the kernels that are wrong on the device; each is warned of.
/// Throws as are_right() does.
Computation checked_computation(const Settings& settings, c10::Device device);

/// kPlain where the settings say so, or where the optimizer's kernels are wrong on the device.
Kernels checked_optimizer(const Settings& settings, c10::Device device);

/// Three updates of small parameters, one of them skipped, by kernels and plainly.
KernelCheck optimizer_check(c10::Device device);

}  // namespace sparse_transformer
