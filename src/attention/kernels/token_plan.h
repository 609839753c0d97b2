// From a layer's cache to a call of the kernel of token_attention.cu.
#pragma once

#include <ATen/core/Tensor.h>

#include "attention/head_shape.h"
#include "attention/kernels/token_attention.h"
#include "attention/token_table.h"

namespace sparse_transformer {

/// Whether the kernel has these heads: widths that are multiples of 8 up to 128, in float32,
/// bfloat16 or float16.
bool serves_token(const HeadShape& shape, at::ScalarType type);

CacheType cache_type(at::ScalarType type);

/// One position of every sequence: its packed row, [batch, 1, heads, 2·query_width + value_width],
/// and where its output goes, [batch, 1, heads, value_width], both dense; its number is `position`,
/// int64 [1]. memory: of the layer (KeyValueCache), where the table and the others are too.
TokenAttentionParams token_params(const at::Tensor& memory, const TokenTable& table,
                                  const HeadShape& shape, const at::Tensor& packed,
                                  const at::Tensor& position, const at::Tensor& out);

}  // namespace sparse_transformer
