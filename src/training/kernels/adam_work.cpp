#include "training/kernels/adam_work.h"

namespace sparse_transformer {

std::vector<AdamWork> adam_works(const std::vector<AdamTensor>& tensors) {
  std::vector<AdamWork> works;
  for (const AdamTensor& tensor : tensors) {
    if (tensor.count == 0) continue;
    if (works.empty() || works.back().count == AdamWork::kMostTensors) works.emplace_back();
    AdamWork& work = works.back();
    const auto chunks =
        static_cast<std::int32_t>((tensor.count + AdamWork::kChunk - 1) / AdamWork::kChunk);
    work.chunk_ends[work.count] = work.chunks() + chunks;
    work.tensors[work.count] = tensor;
    ++work.count;
  }
  return works;
}

}  // namespace sparse_transformer
