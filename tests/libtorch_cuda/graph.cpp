// CUDA graphs: the interpreter's launches and LibTorch's operations, kept in the order in which
// they came.
#include "tests/libtorch_cuda/graph.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAStream.h>

#include "tests/cuda/device.h"
#include "tests/libtorch_cuda/memory.h"

namespace libtorch_cuda {
namespace {

bool is_broken = false;

}  // namespace

void refuse_while_recording(const std::string& what) {
  if (!ptx::Device::instance().is_recording()) return;
  is_broken = true;
  TORCH_CHECK(false, what, ": operation not permitted when stream is capturing");
}

}  // namespace libtorch_cuda

namespace at::cuda {

c10::MempoolId_t graph_pool_handle() { return {1, 0}; }

CUDAGraph::~CUDAGraph() { libtorch_cuda::give_back(memory_); }

void CUDAGraph::capture_begin(c10::MempoolId_t /*pool*/, cudaStreamCaptureMode /*mode*/) {
  TORCH_CHECK(!c10::cuda::getCurrentCUDAStream().is_default(), "the default stream is recorded");
  TORCH_CHECK(!ptx::Device::instance().is_recording(), "two recordings at once");
  libtorch_cuda::is_broken = false;
  libtorch_cuda::begin_keeping();
  ptx::Device::instance().begin_recording();
}

void CUDAGraph::capture_end() {
  work_ = ptx::Device::instance().end_recording();
  memory_ = libtorch_cuda::end_keeping();
  TORCH_CHECK(!libtorch_cuda::is_broken, "operation failed due to a previous error during capture");
}

void CUDAGraph::replay() {
  for (const auto& work : work_) work();
}

}  // namespace at::cuda
