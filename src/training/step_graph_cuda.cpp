#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

#include <optional>

#include "runtime/cuda/graph.h"
#include "training/step_graph.h"

namespace sparse_transformer {
namespace {

/// The one of all steps' graphs that there are (cuda_recorder()). LibTorch takes no pool up again
/// once its last graph is gone.
CudaGraph::Pool shared_pool() {
  static std::weak_ptr<const c10::MempoolId_t> latest;
  CudaGraph::Pool pool = latest.lock();
  if (pool == nullptr) {
    pool = CudaGraph::new_pool();
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

/// Rehearses and records on a stream of its own, as recording asks for. The backward pass runs on
/// the stream of the forward pass, so that the threads of LibTorch's engine launch into the
/// recording by themselves.
class CudaRecorder : public WorkRecorder {
 public:
  explicit CudaRecorder(c10::Device device)
      : device_(device), stream_(c10::cuda::getStreamFromPool(false, device.index())) {}

  void rehearse(const Work& work) override {
    const c10::cuda::CUDAGuard device(device_);
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream();
    wait_for(stream_, current);
    try {
      const c10::cuda::CUDAStreamGuard guard(stream_);
      work();
    } catch (...) {
      wait_for(current, stream_);  // for what it has launched already
      throw;
    }
    wait_for(current, stream_);
  }

  void record(const Work& work) override {
    const c10::cuda::CUDAGuard device(device_);
    // The rehearsals' memory goes back to the device: a graph cannot take it over.
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    const c10::cuda::CUDAStreamGuard guard(stream_);
    graph_.emplace(work, shared_pool());
  }

  void replay() override {
    const c10::cuda::CUDAGuard device(device_);
    graph_->replay();
  }

  void forget() override { graph_.reset(); }

 private:
  c10::Device device_;
  c10::cuda::CUDAStream stream_;
  std::optional<CudaGraph> graph_;
};

}  // namespace

std::unique_ptr<WorkRecorder> cuda_recorder(c10::Device device) {
  return std::make_unique<CudaRecorder>(device);
}

}  // namespace sparse_transformer
