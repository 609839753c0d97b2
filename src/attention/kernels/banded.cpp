#include "attention/kernels/banded.h"

#include <ATen/ATen.h>

#include "attention/kernels/banded_fused.h"
#include "attention/merge.h"

namespace sparse_transformer {
namespace {

bool on_cuda(const at::Tensor& query, const at::Tensor& value, BandMask mask) {
  return query.is_cuda() && banded_cuda_serves(query, value, mask);
}

at::ScalarType accumulation_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// [batch, length, heads, width] → [batch, heads, length, width] in the accumulation type.
at::Tensor by_head(const at::Tensor& x) { return x.transpose(1, 2).to(accumulation_type(x)); }

/// scale · q·kᵀ, -inf outside the band: [batch, heads, queries, keys].
at::Tensor scores(const at::Tensor& query, const at::Tensor& key, BandMask mask, double scale) {
  at::Tensor result = at::matmul(by_head(query), by_head(key).transpose(-2, -1)) * scale;
  if (mask.all()) return result;
  const auto options = at::TensorOptions().dtype(at::kLong).device(query.device());
  const at::Tensor i = at::arange(query.size(1), options).unsqueeze(1);
  const at::Tensor j = at::arange(key.size(1), options).unsqueeze(0);
  const at::Tensor outside = (i - j).gt(mask.left).logical_or((j - i).gt(mask.right));
  return result.masked_fill_(outside, -std::numeric_limits<double>::infinity());
}

}  // namespace

void add_banded(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                BandMask mask, double scale, const BandedOutput& sum, Share share,
                Kernels kernels) {
  if (kernels == Kernels::kFused && query.is_cpu()) {
    add_banded_cpu(query, key, value, mask, scale, sum, share, *instruction_sets().front());
  } else if (kernels == Kernels::kFused && on_cuda(query, value, mask)) {
    add_share(sum, banded_forward_cuda(query, key, value, mask, scale), share);
  } else {
    add_share(sum, banded_forward_plain(query, key, value, mask, scale), share);
  }
}

void add_banded_gradients(const at::Tensor& d_out, const at::Tensor& query, const at::Tensor& key,
                          const at::Tensor& value, const at::Tensor& out, const at::Tensor& lse,
                          BandMask mask, double scale, const BandedGradients& sum, Share share,
                          Kernels kernels) {
  if (kernels == Kernels::kFused && query.is_cpu()) {
    add_banded_gradients_cpu(d_out, query, key, value, out, lse, mask, scale, sum, share,
                             *instruction_sets().front());
  } else if (kernels == Kernels::kFused && on_cuda(query, value, mask)) {
    add_share(sum, banded_backward_cuda(d_out, query, key, value, out, lse, mask, scale), share);
  } else {
    add_share(sum, banded_backward_plain(d_out, query, key, value, out, lse, mask, scale), share);
  }
}

BandedOutput banded_forward_plain(const at::Tensor& query, const at::Tensor& key,
                                  const at::Tensor& value, BandMask mask, double scale) {
  const at::Tensor s = scores(query, key, mask, scale);
  const at::Tensor lse = at::logsumexp(s, -1);
  const at::Tensor out = at::matmul((s - lse.unsqueeze(-1)).exp_(), by_head(value));
  return {out.transpose(1, 2).to(query.scalar_type()), lse.transpose(1, 2)};
}

BandedGradients banded_backward_plain(const at::Tensor& d_out, const at::Tensor& query,
                                      const at::Tensor& key, const at::Tensor& value,
                                      const at::Tensor& out, const at::Tensor& lse, BandMask mask,
                                      double scale) {
  const at::Tensor p = (scores(query, key, mask, scale) - lse.transpose(1, 2).unsqueeze(-1)).exp_();
  const at::Tensor d_o = by_head(d_out);
  const at::Tensor delta = (d_o * by_head(out)).sum(-1, /*keepdim=*/true);
  const at::Tensor d_p = at::matmul(d_o, by_head(value).transpose(-2, -1));
  const at::Tensor d_s = p * (d_p - delta) * scale;
  const auto back = [&](const at::Tensor& x) { return x.transpose(1, 2).to(query.scalar_type()); };
  return {back(at::matmul(d_s, by_head(key))),
          back(at::matmul(d_s.transpose(-2, -1), by_head(query))),
          back(at::matmul(p.transpose(-2, -1), d_o))};
}

}  // namespace sparse_transformer
