// Work on the device that is recorded once and repeated as a whole. Included only where there is a
// CUDA compiler: by sources whose names end in _cuda.cpp.
#pragma once

#include <ATen/cuda/CUDAGraph.h>
#include <ATen/cuda/CachingHostAllocator.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

#include <memory>
#include <utility>

namespace sparse_transformer {

class CudaGraph {
 public:
  /// Where the work's memory is. Graphs that run one after the other, and leave their results
  /// elsewhere, may share one.
  using Pool = std::shared_ptr<const c10::MempoolId_t>;
  static Pool new_pool() {
    return std::make_shared<const c10::MempoolId_t>(at::cuda::graph_pool_handle());
  }

  /// Records what `work()` launches on the current stream, which must not be the default one;
  /// nothing of it is carried out. What it throws is passed on, and so is what the device refuses
  /// to record. The work has run before: what it sets up for the first time is not to be recorded.
  template <typename Work>
  explicit CudaGraph(const Work& work, Pool pool = new_pool()) : pool_(std::move(pool)) {
    // Of this thread alone: others may go on using the device.
    graph_.capture_begin(*pool_, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      end_quietly();
      throw;
    }
    end();
  }

  /// On the current stream.
  void replay() { graph_.replay(); }

 private:
  void end() {
    try {
      graph_.capture_end();
    } catch (...) {
      stop_allocating();
      throw;
    }
  }

  /// A stream that was left recording would take no other work.
  void end_quietly() noexcept {
    try {
      end();
    } catch (...) {  // NOLINT(bugprone-empty-catch): why it failed is on its way already
    }
  }

  /// What capture_end() leaves undone where the recording is invalid: LibTorch's allocators would
  /// go on to ask a graph that is gone whether memory is for it.
  void stop_allocating() noexcept {
    (void)cudaGetLastError();  // not to be found by whoever launches next
    const c10::DeviceIndex device = c10::cuda::current_device();
    at::HostAllocator& host = *at::getHostAllocator(at::kCUDA);
    try {
      c10::cuda::CUDACachingAllocator::endAllocateToPool(device, *pool_);
      c10::cuda::CUDACachingAllocator::releasePool(device, *pool_);
      host.end_allocate_to_pool(*pool_);
      host.release_pool(*pool_);
    } catch (...) {  // NOLINT(bugprone-empty-catch): it had ended, the graph gives its memory up
    }
  }

  Pool pool_;
  at::cuda::CUDAGraph graph_;
};

}  // namespace sparse_transformer
