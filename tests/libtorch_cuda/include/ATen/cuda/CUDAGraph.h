// In place of LibTorch's header of this name: a list of work, done again by each replay().
#pragma once

#include <c10/core/Allocator.h>
#include <cuda_runtime_api.h>

#include <functional>
#include <vector>

namespace at::cuda {

c10::MempoolId_t graph_pool_handle();

class CUDAGraph {
 public:
  CUDAGraph() = default;
  CUDAGraph(const CUDAGraph&) = delete;
  CUDAGraph& operator=(const CUDAGraph&) = delete;
  /// Gives back the memory that was allocated while it was recorded.
  ~CUDAGraph();

  void capture_begin(c10::MempoolId_t pool, cudaStreamCaptureMode mode);
  void capture_end();
  void replay();

 private:
  std::vector<std::function<void()>> work_;
  std::vector<void*> memory_;
};

}  // namespace at::cuda
