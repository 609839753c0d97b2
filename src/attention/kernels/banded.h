// Dense attention over a band of keys: the one operation that every piece of a sparse pattern comes
// down to.
//
//     out_i = Σ_j exp(scale · q_i·k_j - lse_i) v_j,   lse_i = log Σ_j exp(scale · q_i·k_j),
//     over the keys j with i - left <= j <= i + right                              (paper eq. 3 on
//     a subset of keys)
//
// Tensors are [batch, length, heads, width], the last dimension dense, the others with any stride.
// Every query must have at least one key. Query and key have one width, the value has its own.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "attention/kernels/kernels.h"
#include "attention/piece.h"

namespace sparse_transformer {

struct BandMask {
  std::int64_t left = kUnbounded;
  std::int64_t right = kUnbounded;

  bool all() const { return left == kUnbounded && right == kUnbounded; }
  bool causal() const { return left == kUnbounded && right == 0; }
};

struct BandedOutput {
  at::Tensor out;  // [batch, queries, heads, value width], the dtype of query or that of lse
  at::Tensor lse;  // [batch, queries, heads], float32 (float64 for float64)
};

/// In the dtype of query or that of lse.
struct BandedGradients {
  at::Tensor d_query, d_key, d_value;
};

/// What a sum holds before something is added: nothing yet, and whatever is in its memory is
/// replaced, or what was added before.
enum class Share : std::uint8_t { kFirst, kFurther };

/// Adds these keys to the attention of the queries over the keys so far: `sum` becomes that over
/// both (merge.h). `sum` is float32 (float64 for float64), strided views of any kind. On the CPU
/// fused kernels know no float16, and plain ones want query, key and value of the type of `sum`. Of
/// bfloat16 weights are rounded to it, too, where the processor or the GPU multiplies it.
void add_banded(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                BandMask mask, double scale, const BandedOutput& sum, Share share,
                Kernels kernels = Kernels::kFused);

/// Adds the gradients of a piece to `sum`, strided views as wide as what they are gradients of.
/// With `out` and `lse` of a union of pieces in place of the piece's own, its exact share of the
/// union's gradients: exp(s - lse) is then the softmax over the whole union. lse = +inf cancels a
/// query. On the CPU `sum` has the type of lse, and the rest the type of the forward pass.
void add_banded_gradients(const at::Tensor& d_out, const at::Tensor& query, const at::Tensor& key,
                          const at::Tensor& value, const at::Tensor& out, const at::Tensor& lse,
                          BandMask mask, double scale, const BandedGradients& sum, Share share,
                          Kernels kernels = Kernels::kFused);

/// The attention to these keys alone, by plain matrix products, in any dtype on any device; memory
/// is batch · heads · queries · keys. What no fused kernel serves comes here, and tests compare
/// against it.
BandedOutput banded_forward_plain(const at::Tensor& query, const at::Tensor& key,
                                  const at::Tensor& value, BandMask mask, double scale);
BandedGradients banded_backward_plain(const at::Tensor& d_out, const at::Tensor& query,
                                      const at::Tensor& key, const at::Tensor& value,
                                      const at::Tensor& out, const at::Tensor& lse, BandMask mask,
                                      double scale);

}  // namespace sparse_transformer
