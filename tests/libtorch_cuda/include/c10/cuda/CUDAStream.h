// In place of LibTorch's header of this name: work on every stream is done at once, in the order in
// which it comes.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace c10::cuda {

class CUDAStream {
 public:
  explicit CUDAStream(std::intptr_t number) : number_(number) {}
  void* stream() const { return reinterpret_cast<void*>(number_); }
  void synchronize() const {}
  bool is_default() const { return number_ == 0; }

 private:
  std::intptr_t number_;
};

/// LibTorch keeps one a thread; the threads of its backward pass ask for none.
inline CUDAStream& current_stream() {
  static thread_local CUDAStream current(0);
  return current;
}

inline CUDAStream getCurrentCUDAStream(DeviceIndex /*device*/ = -1) { return current_stream(); }
inline CUDAStream getStreamFromPool(bool /*is_high_priority*/, DeviceIndex /*device*/) {
  return CUDAStream(1);
}

}  // namespace c10::cuda
