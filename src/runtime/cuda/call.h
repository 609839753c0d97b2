// How LibTorch's side calls kernels of our own. Included only where there is a CUDA compiler: by
// sources whose names end in _cuda.cpp.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <string>

#include "config/errors.h"
#include "runtime/cuda/device.h"
#include "runtime/half.h"

namespace sparse_transformer {

/// Whether this build's kernels run on a device. Asks CUDA nothing where it is none of CUDA's.
inline bool has_kernels_for(c10::Device device) {
  if (!device.is_cuda()) return false;
  const c10::cuda::CUDAGuard guard(device);
  return has_code_for_device();
}

/// Of the current device, where LibTorch's own operations go.
inline void* current_cuda_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

/// Throws WorldError where a launch failed. `what`: "attention".
inline void check_launch(int code, const std::string& what) {
  if (code != 0) throw WorldError(what + " on the GPU: " + cuda_error(code));
}

/// Of float16 or bfloat16.
inline HalfType half_type(const at::Tensor& x) {
  return x.scalar_type() == at::kHalf ? HalfType::kFloat16 : HalfType::kBfloat16;
}

}  // namespace sparse_transformer
