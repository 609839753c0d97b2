// Whether a device's kernels for rows of activations (kernels/row_operations.h) compute what plain
// operations do.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <vector>

#include "model/kernels/row_operations.h"
#include "runtime/kernel_check.h"

namespace sparse_transformer {

/// Rows of `width` activations of that type.
struct CheckedRows {
  std::int64_t width;
  at::ScalarType type;
  c10::Device device;
};

/// One check each of the norm, dropout, the residual sum and GELU. None where
/// `operations` do not support the type on the device. `operations` must outlive them.
std::vector<KernelCheck> row_checks(const RowOperations& operations, const CheckedRows& rows);

}  // namespace sparse_transformer
