// A model's tensors by name, as they stand in a checkpoint.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace sparse_transformer {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

using NamedTensors = std::vector<NamedTensor>;

}  // namespace sparse_transformer
