#include "attention/kernels/token_cuda.h"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>

#include "attention/kernels/token_attention.h"
#include "attention/kernels/token_plan.h"
#include "runtime/cuda/call.h"

namespace sparse_transformer {

std::optional<TokenAttention> TokenAttention::of(const KeyValueCache& cache) {
  const at::Tensor& memory = cache.memory(0);
  if (!has_kernels_for(memory.device())) return std::nullopt;
  if (!serves_token(cache.head_shape(), memory.scalar_type())) return std::nullopt;
  TokenAttention attention(cache.head_shape());
  for (std::int64_t layer = 0; layer < cache.layers(); ++layer) {
    std::optional<TokenTable> table;
    for (std::int64_t earlier = 0; earlier < layer && !table; ++earlier) {
      if (cache.places(earlier) == cache.places(layer)) {
        table = attention.layers_[static_cast<std::size_t>(earlier)].table;
      }
    }
    if (!table) {
      table = token_table(cache.places(layer), cache.shape().length);
      if (!table) return std::nullopt;
      table->entries = table->entries.to(memory.device());
      table->heads = table->heads.to(memory.device());
    }
    attention.layers_.push_back({cache.memory(layer), *table});
  }
  return attention;
}

at::Tensor TokenAttention::attend(std::int64_t layer, const at::Tensor& packed,
                                  const at::Tensor& position) const {
  const c10::cuda::CUDAGuard device(packed.device());
  const Layer& its = layers_.at(static_cast<std::size_t>(layer));
  const at::Tensor rows = packed.contiguous();
  const at::Tensor out =
      at::empty({packed.size(0), 1, packed.size(2), shape_.value_width}, packed.options());
  const TokenAttentionParams params =
      token_params(its.memory, its.table, shape_, rows, position, out);
  check_launch(
      launch_token_attention(params, cache_type(packed.scalar_type()), current_cuda_stream()),
      "attention");
  return out;
}

}  // namespace sparse_transformer
