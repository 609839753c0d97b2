// Attention over listed blocks (block_table.h): the key blocks of a query block are gathered side
// by side, and dense products run over many query blocks at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "attention/block_table.h"
#include "attention/kernels/banded.h"

namespace sparse_transformer {

/// Numbers of the largest temporary of either pass, whatever the table: scores of the blocks of one
/// product. (One row of blocks of one head, where that is more.)
inline constexpr std::int64_t kBlockScores = std::int64_t{1} << 20;

/// The sizes of a group's queries, keys and values.
struct BlocksSize {
  std::int64_t batch, n, heads, first_head, query_width, value_width;
};

/// Tensors are [batch, n, heads, width] views of the group's heads; `first_head` is the first one's
/// number in the layer. Queries without any key get out 0 and lse -inf. float32, or float64 for
/// float64.
BandedOutput blocks_forward(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const Blocks& blocks, std::int64_t first_head, double scale);

/// As banded_backward(): with out and lse of the whole union, this piece's share of its gradients.
/// No sum depends on the order in which threads run: keys' gradients are computed key block by key
/// block, from scores computed again.
BandedGradients blocks_backward(const at::Tensor& d_out, const at::Tensor& query,
                                const at::Tensor& key, const at::Tensor& value,
                                const at::Tensor& out, const at::Tensor& lse, const Blocks& blocks,
                                std::int64_t first_head, double scale);

/// Numbers of the accumulation type that blocks_backward() holds at its peak, its results included.
std::int64_t blocks_backward_numbers(const BlockTable& table, const BlocksSize& size);

}  // namespace sparse_transformer
