// In place of step_graph_cuda.cpp where there is no CUDA compiler.
#include "training/step_graph.h"

namespace sparse_transformer {

std::unique_ptr<WorkRecorder> cuda_recorder(c10::Device /*device*/) { return nullptr; }

}  // namespace sparse_transformer
