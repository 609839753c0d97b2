// In place of LibTorch's header of this name: nothing ever waits.
#pragma once

#include <c10/cuda/CUDAStream.h>

namespace at::cuda {

class CUDAEvent {
 public:
  void record(const c10::cuda::CUDAStream& /*stream*/) {}
  void block(const c10::cuda::CUDAStream& /*stream*/) {}
};

}  // namespace at::cuda
