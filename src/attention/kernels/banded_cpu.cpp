#include <ATen/ATen.h>

#include <limits>
#include <optional>

#include "attention/kernels/banded_fused.h"

namespace sparse_transformer {
namespace {

/// The band as an additive mask [queries, keys]; nothing where the kernel has a switch for it.
std::optional<at::Tensor> additive_mask(const at::Tensor& query, const at::Tensor& key,
                                        BandMask mask) {
  if (mask.all() || mask.causal()) return std::nullopt;
  const auto type = query.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor result = at::zeros({query.size(1), key.size(1)}, at::TensorOptions().dtype(type));
  const double outside = -std::numeric_limits<double>::infinity();
  const at::Tensor distance =
      at::arange(query.size(1)).unsqueeze(1) - at::arange(key.size(1)).unsqueeze(0);
  if (mask.left < kUnbounded) result.masked_fill_(distance.gt(mask.left), outside);
  if (mask.right < kUnbounded) result.masked_fill_(distance.lt(-mask.right), outside);
  return result;
}

}  // namespace

BandedOutput banded_forward_cpu(const at::Tensor& query, const at::Tensor& key,
                                const at::Tensor& value, BandMask mask, double scale) {
  const auto [out, lse] = at::_scaled_dot_product_flash_attention_for_cpu(
      query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), /*dropout_p=*/0.0,
      mask.causal(), additive_mask(query, key, mask), scale);
  return {out.transpose(1, 2), lse.transpose(1, 2)};
}

BandedGradients banded_backward_cpu(const at::Tensor& d_out, const at::Tensor& query,
                                    const at::Tensor& key, const at::Tensor& value,
                                    const at::Tensor& out, const at::Tensor& lse, BandMask mask,
                                    double scale) {
  const auto [d_query, d_key, d_value] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
      d_out.transpose(1, 2), query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2),
      out.transpose(1, 2), lse.transpose(1, 2), /*dropout_p=*/0.0, mask.causal(),
      additive_mask(query, key, mask), scale);
  return {d_query.transpose(1, 2), d_key.transpose(1, 2), d_value.transpose(1, 2)};
}

}  // namespace sparse_transformer
