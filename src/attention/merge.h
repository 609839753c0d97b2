// Adding a piece to a union.
#pragma once

#include <ATen/core/Tensor.h>

#include "attention/kernels/banded.h"

namespace sparse_transformer {

/// out, lse ← the union of (out, lse) and (piece_out, piece_lse), which share no key:
///     lse' = log(e^lse + e^piece_lse),  out' = e^(lse - lse')·out + e^(piece_lse - lse')·piece_out
/// Shapes [batch, length, heads, width] and [batch, length, heads]; out and lse may be strided
/// views. lse = -inf stands for no key so far. All are float32 (float64 for float64), but that on
/// CUDA piece_out may be of less precision.
void merge_into(const at::Tensor& out, const at::Tensor& lse, const at::Tensor& piece_out,
                const at::Tensor& piece_lse);

/// sum ← the share alone where it is the first, else the union of both.
void add_share(const BandedOutput& sum, const BandedOutput& piece, Share share);
/// sum ← the share alone where it is the first, else the sum of both.
void add_share(const BandedGradients& sum, const BandedGradients& piece, Share share);

}  // namespace sparse_transformer
