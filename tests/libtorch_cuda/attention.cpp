// LibTorch's fused attention, which it has for CUDA alone, written out for the device of
// operations.cpp. Tensors are [batch, length, heads, width], lse is [batch, heads, length].
#include <ATen/ATen.h>
#include <torch/library.h>

#include <limits>
#include <optional>
#include <tuple>

#include "tests/cuda/device.h"
#include "tests/libtorch_cuda/operations.h"

namespace libtorch_cuda {
namespace {

using Bound = std::optional<c10::SymInt>;
using MaybeTensor = std::optional<at::Tensor>;

constexpr std::int64_t kLseAlignment = 32;  // of memory-efficient attention
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Which keys a query does not see: [queries, keys]. `shift` is the key that query 0 is at.
at::Tensor hidden(std::int64_t queries, std::int64_t keys, std::int64_t shift,
                  std::optional<std::int64_t> left, std::optional<std::int64_t> right) {
  const at::Tensor place = at::arange(queries).unsqueeze(1) + shift;
  const at::Tensor key = at::arange(keys);
  at::Tensor mask = at::zeros({queries, keys}, at::kBool);
  if (left) mask = mask | (key < place - *left);
  if (right) mask = mask | (key > place + *right);
  return mask;
}

/// FlashAttention-2 aligns its window at the last query and key.
at::Tensor hidden_by_flash(const at::Tensor& query, const at::Tensor& key, bool is_causal,
                           const Bound& left, const Bound& right) {
  const auto number = [](const Bound& bound) {
    return bound ? std::optional(bound->expect_int()) : std::nullopt;
  };
  return hidden(query.size(1), key.size(1), key.size(1) - query.size(1), number(left),
                is_causal ? std::optional<std::int64_t>(0) : number(right));
}

/// Memory-efficient attention aligns causal masks (type 1) at the first.
at::Tensor hidden_by_efficient(const at::Tensor& query, const at::Tensor& key, std::int64_t type) {
  TORCH_CHECK(type == 0 || type == 1, "no mask of type ", type, " here");
  return hidden(query.size(1), key.size(1), 0, std::nullopt,
                type == 1 ? std::optional<std::int64_t>(0) : std::nullopt);
}

/// The host's view in float64, [batch, heads, length, width].
at::Tensor by_head(const at::Tensor& x) { return x.to(at::kDouble).transpose(1, 2); }

/// On the host.
struct Inputs {
  at::Tensor query, key, value, hidden;
  double scale;

  at::Tensor scores() const {
    return (by_head(query).matmul(by_head(key).transpose(2, 3)) * scale)
        .masked_fill(hidden, -kInfinity);
  }
};

struct Result {
  at::Tensor out, lse;
};

/// `lse_length`: with the length that the kernel gives lse.
Result forward(const Inputs& x, const at::Tensor& query, std::int64_t lse_length) {
  const at::Tensor out =
      at::empty({query.size(0), query.size(1), query.size(2), x.value.size(3)}, query.options());
  const at::Tensor lse =
      at::empty({query.size(0), query.size(2), lse_length}, query.options().dtype(at::kFloat));
  ptx::Device::instance().carry_out([x, out = on_host(out), lse = on_host(lse)] {
    const at::Tensor scores = x.scores();
    const at::Tensor weights = scores.softmax(-1).masked_fill(x.hidden, 0.0);
    put(out, weights.matmul(by_head(x.value)).transpose(1, 2));
    const std::int64_t added = lse.size(2) - scores.size(2);
    put(lse, at::constant_pad_nd(scores.logsumexp(-1), {0, added}, kInfinity));
  });
  return {out, lse};
}

using Gradients = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

/// `lse`: [batch, heads, at least the queries].
Gradients backward(const Inputs& x, const at::Tensor& d_out, const at::Tensor& out,
                   const at::Tensor& lse, const at::TensorOptions& options) {
  const Gradients results = {at::empty(x.query.sizes(), options), at::empty(x.key.sizes(), options),
                             at::empty(x.value.sizes(), options)};
  const auto& [d_query, d_key, d_value] = results;
  ptx::Device::instance().carry_out([x, d_out = on_host(d_out), out = on_host(out),
                                     lse = on_host(lse), d_query = on_host(d_query),
                                     d_key = on_host(d_key), d_value = on_host(d_value)] {
    const at::Tensor its_lse = lse.narrow(2, 0, x.query.size(1)).to(at::kDouble).unsqueeze(3);
    const at::Tensor weights = (x.scores() - its_lse).exp().masked_fill(x.hidden, 0.0);
    const at::Tensor d_weights = by_head(d_out).matmul(by_head(x.value).transpose(2, 3));
    const at::Tensor delta = (by_head(d_out) * by_head(out)).sum(-1, true);
    const at::Tensor d_scores = weights * (d_weights - delta) * x.scale;
    put(d_query, d_scores.matmul(by_head(x.key)).transpose(1, 2));
    put(d_key, d_scores.transpose(2, 3).matmul(by_head(x.query)).transpose(1, 2));
    put(d_value, weights.transpose(2, 3).matmul(by_head(d_out)).transpose(1, 2));
  });
  return results;
}

/// Of the random numbers, which nobody asks for.
at::Tensor state(const at::Tensor& x) { return at::empty({}, x.options().dtype(at::kLong)); }

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> flash_forward(
    const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
    const MaybeTensor& /*cum_seq_q*/, const MaybeTensor& /*cum_seq_k*/, c10::SymInt /*max_q*/,
    c10::SymInt /*max_k*/, double /*dropout_p*/, bool is_causal, bool /*return_debug_mask*/,
    std::optional<double> scale, Bound left, Bound right, const MaybeTensor& /*seqused_k*/,
    const MaybeTensor& /*alibi_slopes*/) {
  note_operation("aten::_flash_attention_forward", {query, key, value});
  const auto [out, lse] = forward({on_host(query), on_host(key), on_host(value),
                                   hidden_by_flash(query, key, is_causal, left, right), *scale},
                                  query, query.size(1));
  return {out, lse, state(query), state(query), at::Tensor()};
}

Gradients flash_backward(const at::Tensor& d_out, const at::Tensor& query, const at::Tensor& key,
                         const at::Tensor& value, const at::Tensor& out, const at::Tensor& lse,
                         const at::Tensor& /*cum_seq_q*/, const at::Tensor& /*cum_seq_k*/,
                         c10::SymInt /*max_q*/, c10::SymInt /*max_k*/, double /*dropout_p*/,
                         bool is_causal, const at::Tensor& /*rng_state*/,
                         const at::Tensor& /*unused*/, std::optional<double> scale, Bound left,
                         Bound right) {
  note_operation("aten::_flash_attention_backward", {d_out, query, key, value, out, lse});
  return backward({on_host(query), on_host(key), on_host(value),
                   hidden_by_flash(query, key, is_causal, left, right), *scale},
                  d_out, out, lse, query.options());
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, c10::SymInt, c10::SymInt>
efficient_forward(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                  const MaybeTensor& /*bias*/, const MaybeTensor& /*cu_seqlens_q*/,
                  const MaybeTensor& /*cu_seqlens_k*/, Bound /*max_q*/, Bound /*max_k*/,
                  double /*dropout_p*/, std::int64_t mask, bool /*compute_log_sumexp*/,
                  std::optional<double> scale, const MaybeTensor& /*seqlen_k*/,
                  std::optional<std::int64_t> /*window_size*/) {
  note_operation("aten::_efficient_attention_forward", {query, key, value});
  const std::int64_t rounded_up = (query.size(1) + kLseAlignment - 1) / kLseAlignment;
  const auto [out, lse] = forward(
      {on_host(query), on_host(key), on_host(value), hidden_by_efficient(query, key, mask), *scale},
      query, rounded_up * kLseAlignment);
  return {out, lse, state(query), state(query), query.size(1), key.size(1)};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> efficient_backward(
    const at::Tensor& d_out, const at::Tensor& query, const at::Tensor& key,
    const at::Tensor& value, const MaybeTensor& /*bias*/, const at::Tensor& out,
    const MaybeTensor& /*cu_seqlens_q*/, const MaybeTensor& /*cu_seqlens_k*/, c10::SymInt /*max_q*/,
    c10::SymInt /*max_k*/, const at::Tensor& lse, double /*dropout_p*/, const at::Tensor& /*seed*/,
    const at::Tensor& /*offset*/, std::int64_t mask, bool /*bias_requires_grad*/,
    std::optional<double> scale, std::optional<std::int64_t> /*splits*/,
    std::optional<std::int64_t> /*window_size*/, bool /*shared_storage*/) {
  note_operation("aten::_efficient_attention_backward", {d_out, query, key, value, out, lse});
  TORCH_CHECK(lse.size(2) % kLseAlignment == 0, "lse has a length of ", lse.size(2));
  const auto [d_query, d_key, d_value] = backward(
      {on_host(query), on_host(key), on_host(value), hidden_by_efficient(query, key, mask), *scale},
      d_out, out, lse, query.options());
  return {d_query, d_key, d_value, at::Tensor()};
}

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("_flash_attention_forward", &flash_forward);
  library.impl("_flash_attention_backward", &flash_backward);
  library.impl("_efficient_attention_forward", &efficient_forward);
  library.impl("_efficient_attention_backward", &efficient_backward);
}

}  // namespace
}  // namespace libtorch_cuda
