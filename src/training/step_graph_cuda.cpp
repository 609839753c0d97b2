#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <ATen/cuda/CachingHostAllocator.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

#include <optional>

#include "training/step_graph.h"

namespace sparse_transformer {
namespace {

using Pool = std::shared_ptr<const c10::MempoolId_t>;

/// The one of all graphs that there are (cuda_recorder()). LibTorch takes none up again once its
/// last graph is gone.
Pool shared_pool() {
  static std::weak_ptr<const c10::MempoolId_t> latest;
  Pool pool = latest.lock();
  if (pool == nullptr) {
    pool = std::make_shared<const c10::MempoolId_t>(at::cuda::graph_pool_handle());
    latest = pool;
  }
  return pool;
}

/// `later` goes on when all that `earlier` has so far is done.
void wait_for(const c10::cuda::CUDAStream& later, const c10::cuda::CUDAStream& earlier) {
  at::cuda::CUDAEvent event;
  event.record(earlier);
  event.block(later);
}

/// Rehearses and records on a stream of its own, as capture asks for: nothing may be captured on
/// the default stream, and the backward pass runs where the forward pass ran, so that the engine's
/// threads launch into the capture by themselves.
class CudaRecorder : public WorkRecorder {
 public:
  explicit CudaRecorder(c10::Device device)
      : device_(device), stream_(c10::cuda::getStreamFromPool(false, device.index())) {}

  void rehearse(const Work& work) override {
    const c10::cuda::CUDAGuard device(device_);
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream();
    wait_for(stream_, current);
    {
      const c10::cuda::CUDAStreamGuard guard(stream_);
      work();
    }
    wait_for(current, stream_);
  }

  void record(const Work& work) override {
    const c10::cuda::CUDAGuard device(device_);
    // The rehearsals' memory goes back to the device: a graph cannot take it over.
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    const c10::cuda::CUDAStreamGuard guard(stream_);
    pool_ = shared_pool();
    graph_.emplace();
    // In LibTorch's usual mode, in which no thread may call what would disturb the capture. The
    // threads that read data do not use CUDA.
    graph_->capture_begin(*pool_);
    try {
      work();
    } catch (...) {
      abandon();
      throw;
    }
    finish();
  }

  void replay() override {
    const c10::cuda::CUDAGuard device(device_);
    graph_->replay();
  }

  void forget() override {
    graph_.reset();
    pool_.reset();
  }

 private:
  void finish() {
    try {
      graph_->capture_end();
    } catch (...) {
      stop_allocating();
      forget();
      throw;
    }
  }

  /// Ends the capture, so that the stream and the allocator are as before; what broke it is thrown
  /// already.
  void abandon() noexcept {
    try {
      finish();
    } catch (const std::exception&) {
      // An operation that cannot be captured has made the capture invalid.
    }
    forget();
  }

  /// What capture_end() leaves undone where the capture is invalid: without it the allocators would
  /// go on to ask a graph that is gone whether memory is for it.
  void stop_allocating() noexcept {
    (void)cudaGetLastError();  // not to be found by whoever launches next
    at::HostAllocator& host = *at::getHostAllocator(at::kCUDA);
    try {
      c10::cuda::CUDACachingAllocator::endAllocateToPool(device_.index(), *pool_);
      c10::cuda::CUDACachingAllocator::releasePool(device_.index(), *pool_);
      host.end_allocate_to_pool(*pool_);
      host.release_pool(*pool_);
    } catch (const std::exception&) {
      // The capture ended and something after it failed: the graph gives its pool up itself.
    }
  }

  c10::Device device_;
  c10::cuda::CUDAStream stream_;
  Pool pool_;  // while there is a graph
  std::optional<at::cuda::CUDAGraph> graph_;
};

}  // namespace

std::unique_ptr<WorkRecorder> cuda_recorder(c10::Device device) {
  return std::make_unique<CudaRecorder>(device);
}

}  // namespace sparse_transformer
