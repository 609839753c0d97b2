// A model's tensors by name, as they stand in a checkpoint.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace sparse_transformer {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
  /// A copy in half precision that follows the tensor (model/linear.h), in no checkpoint; or
  /// undefined.
  at::Tensor rounded = {};
};

using NamedTensors = std::vector<NamedTensor>;

}  // namespace sparse_transformer
