// What a residual block does to rows beside products, with its gradient, each in one pass over
// memory (model/kernels/rows.h). On the CPU, in float32, float64 and bfloat16; on CUDA, in float32
// and half precision. Vectors and arithmetic of half precision are float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "attention/kernels/kernels.h"
#include "model/dropout.h"
#include "model/kernels/rows.h"
#include "model/norm.h"

namespace sparse_transformer {

/// Whether the functions below serve activations like `x`; otherwise plain operations do.
bool fuses_rows(const at::Tensor& x, Kernels kernels);

/// What this processor can run, the fastest first; never empty.
std::vector<const RowInstructionSet*> row_instruction_sets();

/// The fastest of them for float, double, or Bfloat16 with P = float.
template <typename T, typename P = T>
const RowKernels<T, P>& row_kernels();

/// The input as it is, for the residual path, and normalised, for the branch. Taking both from here
/// lets one pass form the sum of their gradients.
struct PassedAndNormed {
  at::Tensor passed, normed;
};

/// x: [..., width]. Of the input only x itself is kept for the
/// backward pass. This function and the next two are differentiable once.
PassedAndNormed pass_and_norm(const Norm& norm, const at::Tensor& x);

/// h + y + bias; h, y: [..., width], bias: [width].
at::Tensor add_residual(const at::Tensor& h, const at::Tensor& y, const at::Tensor& bias);

/// h + dropout(y + bias, p, place); h, y: [batch, ..., width].
at::Tensor add_residual(const at::Tensor& h, const at::Tensor& y, const at::Tensor& bias, double p,
                        const DropoutPlace& place);

/// f(x + bias) with f(u) = u·sigmoid(1.702·u) (paper §5.2); x: [..., width], bias: [width]. Of the
/// input only x itself is kept.
at::Tensor gelu(const at::Tensor& x, const at::Tensor& bias);

}  // namespace sparse_transformer
