// In place of LibTorch's header of this name: there is one device, and it is always the current
// one.
#pragma once

#include <c10/cuda/CUDAStream.h>

#include <utility>

namespace c10::cuda {

class CUDAGuard {
 public:
  explicit CUDAGuard(Device /*device*/) {}
};

class CUDAStreamGuard {
 public:
  explicit CUDAStreamGuard(CUDAStream stream) : before_(std::exchange(current_stream(), stream)) {}
  CUDAStreamGuard(const CUDAStreamGuard&) = delete;
  CUDAStreamGuard& operator=(const CUDAStreamGuard&) = delete;
  ~CUDAStreamGuard() { current_stream() = before_; }

 private:
  CUDAStream before_;
};

}  // namespace c10::cuda
