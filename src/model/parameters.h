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

/// y = x·Wᵀ + b; weight [out, in], bias [out].
struct Linear {
  at::Tensor weight, bias;
};

/// Layer normalisation over the last dimension; gain and bias [d].
struct Norm {
  at::Tensor weight, bias;
  double epsilon = 1e-5;

  at::Tensor operator()(const at::Tensor& x) const;
};

}  // namespace sparse_transformer
