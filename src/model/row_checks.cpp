#include "model/row_checks.h"

#include <ATen/ATen.h>

#include "model/dropout.h"
#include "runtime/random_tensors.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kSequences = 3, kLength = 37;
constexpr double kDropped = 0.25;
constexpr double kEpsilon = 1e-5;

using Tensors = std::vector<at::Tensor>;

DropoutPlace place() { return {.seed = 5, .step = 7, .first_sequence = 2, .site = 3}; }

/// What all of them compute on.
struct Case {
  explicit Case(const CheckedRows& rows) {
    const at::TensorOptions numbers = at::TensorOptions(rows.device).dtype(rows.type);
    RandomTensors random(1);
    const auto matrix = [&] { return random({kSequences, kLength, rows.width}, numbers); };
    x = matrix();
    h = matrix();
    d_out = matrix();
    gain = random({rows.width}, numbers.dtype(at::kFloat));
    shift = random({rows.width}, numbers.dtype(at::kFloat));
  }

  at::Tensor x, h, d_out;  // [sequences, length, width]
  at::Tensor gain, shift;  // [width], float32

  RowMask mask() const { return KeptDropout(kDropped, place()).mask(x); }
  static at::Tensor dropped(const at::Tensor& x) {
    return dropout(x.to(at::kFloat), kDropped, place(), Kernels::kPlain);
  }
};

at::Tensor sum_of_rows(const at::Tensor& x) { return x.flatten(0, -2).sum(0); }

Tensors norm(const RowOperations& operations, const Case& its) {
  const auto normed = operations.norm(its.x, its.gain, its.shift, kEpsilon);
  const auto gradient = operations.norm_gradient(its.x, normed, its.gain, its.d_out, its.h);
  return {normed.y, gradient.x, gradient.gain, gradient.shift};
}

Tensors norm_plainly(const Case& its) {
  const at::Tensor x = its.x.to(at::kFloat);
  const auto [y, mean, reciprocal] =
      at::native_layer_norm(x, its.gain.sizes(), its.gain, its.shift, kEpsilon);
  const auto [d_x, d_gain, d_shift] =
      at::native_layer_norm_backward(its.d_out.to(at::kFloat), x, its.gain.sizes(), mean,
                                     reciprocal, its.gain, its.shift, {true, true, true});
  return {y, d_x + its.h.to(at::kFloat), d_gain, d_shift};
}

Tensors drop(const RowOperations& operations, const Case& its) {
  const auto gradient = operations.drop_and_sum(its.d_out, its.mask());
  return {operations.drop(its.x, its.mask()), gradient.x, gradient.bias};
}

Tensors drop_plainly(const Case& its) {
  const at::Tensor gradient = Case::dropped(its.d_out);
  return {Case::dropped(its.x), gradient, sum_of_rows(gradient)};
}

Tensors residual(const RowOperations& operations, const Case& its) {
  return {operations.residual(its.h, its.x, its.shift, its.mask())};
}

Tensors residual_plainly(const Case& its) {
  return {its.h.to(at::kFloat) + Case::dropped(its.x.to(at::kFloat) + its.shift)};
}

Tensors gelu(const RowOperations& operations, const Case& its) {
  const auto gradient = operations.gelu_gradient(its.x, its.shift, its.d_out);
  return {operations.gelu(its.x, its.shift), gradient.x, gradient.bias};
}

Tensors gelu_plainly(const Case& its) {
  constexpr double kSlope = 1.702;  // paper §5.2
  const at::Tensor u = its.x.to(at::kFloat) + its.shift;
  const at::Tensor s = at::sigmoid(kSlope * u);
  const at::Tensor d_x = its.d_out.to(at::kFloat) * s * (1.0 + kSlope * u * (1.0 - s));
  return {u * s, d_x, sum_of_rows(d_x)};
}

}  // namespace

std::vector<KernelCheck> row_checks(const RowOperations& operations, const CheckedRows& rows) {
  if (!operations.serves(rows.device, rows.type)) return {};
  const Case its(rows);
  const auto check = [&](const char* name, auto compute, auto plain) {
    return KernelCheck{.name = name,
                       .compute = [&operations, its, compute] { return compute(operations, its); },
                       .plain = [its, plain] { return plain(its); }};
  };
  return {check("layer norm", norm, norm_plainly), check("dropout", drop, drop_plainly),
          check("the residual sum", residual, residual_plainly), check("GELU", gelu, gelu_plainly)};
}

}  // namespace sparse_transformer
