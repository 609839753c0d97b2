// A layer whose heads attend to unions of bands and of lists of keys, by kernels of our own on CUDA
// (union_attention.h): on the packed tensor in place, in half precision, any widths that are
// multiples of 8 up to 128. In a build without a CUDA compiler nothing is served.
#pragma once

#include <ATen/core/Tensor.h>

#include "attention/head_shape.h"
#include "attention/kernels/banded.h"
#include "attention/pattern.h"

namespace sparse_transformer {

bool union_cuda_serves(const at::Tensor& packed, const LayerPattern& pattern,
                       const HeadShape& shape);

/// packed: [batch, n, heads, 2·query_width + value_width], dense. A query without any key gets 0
/// and -inf. Throws WorldError where the device fails.
BandedOutput union_forward_cuda(const at::Tensor& packed, const LayerPattern& pattern,
                                const HeadShape& shape);

/// The gradient of `packed`, from what union_forward_cuda gave; d_out dense. Repeats bit for bit.
at::Tensor union_backward_cuda(const at::Tensor& d_out, const at::Tensor& packed,
                               const BandedOutput& result, const LayerPattern& pattern,
                               const HeadShape& shape);

}  // namespace sparse_transformer
