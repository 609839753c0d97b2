// A tensor's memory as kernels take it: LibTorch has names of its own for half precision.
#pragma once

#include <ATen/core/Tensor.h>

namespace sparse_transformer {

/// T is the kernels' type for the tensor's.
template <typename T>
const T* numbers_of(const at::Tensor& x) {
  return static_cast<const T*>(x.const_data_ptr());
}
template <typename T>
T* mutable_numbers_of(const at::Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

}  // namespace sparse_transformer
