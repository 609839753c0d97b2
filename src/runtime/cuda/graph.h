// Work on the device that is recorded once and repeated as a whole. Included only where there is a
// CUDA compiler: by sources whose names end in _cuda.cpp.
#pragma once

#include <ATen/cuda/CUDAGraph.h>

namespace sparse_transformer {

class CudaGraph {
 public:
  /// Records what `work()` launches on the current stream, which must not be the default one;
  /// nothing of it is carried out. What it throws is passed on, and so is what the device refuses
  /// to record. The work has run before: what it sets up for the first time is not to be recorded.
  template <typename Work>
  explicit CudaGraph(const Work& work) {
    // Of this thread alone: others may go on using the device.
    graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      end_quietly();
      throw;
    }
    graph_.capture_end();
  }

  /// On the current stream.
  void replay() { graph_.replay(); }

 private:
  /// A stream that was left recording would take no other work.
  void end_quietly() {
    try {
      graph_.capture_end();
    } catch (...) {  // why the recording failed is on its way already
    }
  }

  at::cuda::CUDAGraph graph_;
};

}  // namespace sparse_transformer
