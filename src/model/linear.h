// Products with a weight matrix, in the precision of what comes in.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <optional>

namespace sparse_transformer {

/// y = x·Wᵀ + b; weight [out, in], bias [out], or undefined: none. float32 (float64 in tests),
/// whatever x is in.
struct Linear {
  at::Tensor weight, bias;
  /// Weight and bias in the type of activations, kept up to date by whoever changes them; or
  /// undefined.
  at::Tensor rounded = {}, rounded_bias = {};

  Linear without_bias() const { return {weight, {}, rounded}; }
};

/// What weight and bias are multiplied with before the product.
struct LinearFactors {
  double weight = 1.0, bias = 1.0;
};

/// In which activations of a type are multiplied: on the CPU float16, which few processors have, in
/// float32, and so is bfloat16 where runtime/device.h says so.
at::ScalarType product_type(c10::Device device, at::ScalarType type);

/// What a product in `type` takes, and keeps for the backward pass: the rounded copy of x if it has
/// that type, otherwise x, which is then rounded for each product alone.
at::Tensor rounded_for(at::ScalarType type, const at::Tensor& x, const at::Tensor& rounded);

/// x: [..., in], in float32, bfloat16, float16 or float64; gives [..., out] in the same type. The
/// weights are rounded to that type, and their gradients arrive in their own type. A type that the
/// device does not multiply well is computed in float32 and rounded (product_type()).
/// Differentiable once.
at::Tensor apply(const Linear& linear, const at::Tensor& x, LinearFactors factors = {});

/// The gradient of a weight matrix, d_yᵀ·x in the type of the weight; d_y: [rows, out], x: [rows,
/// in]. On CUDA products of half precision leave their float32 sums unrounded.
at::Tensor weight_gradient(const at::Tensor& d_y, const at::Tensor& x, at::ScalarType type);

}  // namespace sparse_transformer
