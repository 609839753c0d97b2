// Whether a model can fit into this machine, asked before anything is allocated.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

#include "training/settings.h"

namespace sparse_transformer {

/// Bytes that this process can have at most: memory and swap of the machine, or less where a limit
/// is set (ulimit -v).
std::int64_t memory_limit();

/// Throws UserError with both sizes where a training step needs more memory than memory_limit(). On
/// CUDA only the weights are compared: they are made in the machine's memory.
void check_memory(const Settings& settings, c10::Device device);

}  // namespace sparse_transformer
