// Sparse attention of one layer: every head attends to the union of its pieces.
//
// Each piece yields an output and a log-sum-exp by dense kernels over views of the sequence. The
// union is
//
//     lse = logsumexp over pieces (lse_p),   out = Σ over pieces exp(lse_p - lse) · out_p
//
// and its gradient is the sum of the pieces' gradients, each computed with the union's out and lse.
// No n × n array exists; time is proportional to the pairs of the pattern and memory to n.
#pragma once

#include <ATen/core/Tensor.h>

#include "attention/head_shape.h"
#include "attention/kernels/kernels.h"
#include "attention/pattern.h"

namespace sparse_transformer {

/// `packed` as in head_shape.h, dense in memory; any n, in the fewest calls where n is a multiple
/// of the layer's stride. Returns [batch, n, heads, value_width]. A query without any key yields 0
/// and passes no gradient on. Any widths, in float32, bfloat16, float16 and (on the CPU) float64.
/// Differentiable once. The pattern must outlive the backward pass.
/// `kernel`: which of the fused ones, on CUDA.
at::Tensor sparse_attention(const at::Tensor& packed, const LayerPattern& pattern,
                            const HeadShape& shape, Kernels kernels = Kernels::kFused,
                            KernelKind kernel = KernelKind::kOwn);

/// The same by its definition, in plain differentiable operations over n × n scores: for tests
/// only, in any dtype.
at::Tensor sparse_attention_reference(const at::Tensor& packed, const LayerPattern& pattern,
                                      const HeadShape& shape);

/// Who attends to whom in one head, from the pieces' keys: bool [n, n], true where query (row) sees
/// key (column).
at::Tensor attention_mask(const LayerPattern& pattern, std::int64_t n, std::int64_t head);

}  // namespace sparse_transformer
