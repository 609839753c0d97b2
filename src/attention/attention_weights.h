// What single queries attend to, as numbers: for looking at a trained model.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "attention/head_shape.h"
#include "attention/pattern.h"

namespace sparse_transformer {

/// The keys that a query has, each once, and its softmax over them (paper eq. 3).
struct QueryWeights {
  std::vector<std::int64_t> keys;  // positions
  std::vector<float> weights;      // as many; their sum is 1
};

/// Of the query at `position` in head `head` of a layer. `packed`: [1, n, heads, …] as in
/// head_shape.h, any type and device; computed in float32 from the pattern's keys only. Both lists
/// are empty for a query that has no key.
QueryWeights attention_weights(const at::Tensor& packed, const LayerPattern& pattern,
                               const HeadShape& shape, std::int64_t head, std::int64_t position);

}  // namespace sparse_transformer
