#include <cuda_runtime.h>

#include "generation/kernels/choice.cuh"
#include "generation/kernels/choice_launch.h"
#include "runtime/cuda/thread.cuh"

namespace sparse_transformer {
namespace {

__global__ void __launch_bounds__(choice_kernels::kTokens) choice_kernel(const ChoiceCall call) {
  __shared__ choice_kernels::ChoiceMemory memory;
  CudaThread thread;
  choice_kernels::choose(thread, blockIdx.x, call, memory);
}

}  // namespace

int launch_choice(const ChoiceCall& call, void* stream) {
  choice_kernel<<<static_cast<unsigned>(call.batch), choice_kernels::kTokens, 0,
                  static_cast<cudaStream_t>(stream)>>>(call);
  return cudaGetLastError();
}

}  // namespace sparse_transformer
