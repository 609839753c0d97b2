// The attention of one token of every sequence by a kernel of our own on CUDA (token_attention.cu),
// for a position that only the device knows: nothing of a call depends on the host, so that a graph
// may repeat it. In a build without a CUDA compiler nothing is served.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "attention/kv_cache.h"
#include "attention/token_table.h"

namespace sparse_transformer {

class TokenAttention {
 public:
  /// Nothing where the kernel has not all of the cache's layers: listed blocks that have many runs
  /// of keys, widths of heads (token_plan.h). The cache must have its memory.
  static std::optional<TokenAttention> of(const KeyValueCache& cache);

  /// As KeyValueCache::attend(), of the position `position`, int64 [1] on the device, which comes
  /// after those that have been kept. The cache does not count it. Throws WorldError where the
  /// device fails.
  at::Tensor attend(std::int64_t layer, const at::Tensor& packed, const at::Tensor& position) const;

 private:
  struct Layer {
    at::Tensor memory;
    TokenTable table;  // on the device
  };

  explicit TokenAttention(const HeadShape& shape) : shape_(shape) {}

  HeadShape shape_;
  std::vector<Layer> layers_;
};

}  // namespace sparse_transformer
