// Whether the kernels that sample on CUDA compute what the host does.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <vector>

#include "attention/head_shape.h"
#include "runtime/kernel_check.h"

namespace sparse_transformer {

/// A check of the attention of one token, where the kernel has these widths, and one of the
/// choice of a token. Nothing without kernels for the device.
std::vector<KernelCheck> sampling_checks(const HeadShape& shape, at::ScalarType type,
                                         c10::Device device);

}  // namespace sparse_transformer
