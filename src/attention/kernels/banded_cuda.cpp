#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "attention/kernels/banded_fused.h"

namespace sparse_transformer {
namespace {

bool is_half(at::ScalarType type) { return type == at::kHalf || type == at::kBFloat16; }

/// FlashAttention-2's window: nothing = no bound on that side.
std::optional<std::int64_t> window(std::int64_t bound) {
  if (bound == kUnbounded) return std::nullopt;
  return bound;
}

/// FlashAttention-2 takes a causal mask as a flag, every other band as a window. Its window is
/// aligned at the last query and key; ours at the first, so the difference of the lengths moves it.
struct FlashMask {
  FlashMask(const at::Tensor& query, const at::Tensor& key, BandMask mask) {
    const std::int64_t shift = key.size(1) - query.size(1);
    causal = mask.causal() && shift == 0;
    if (causal || mask.all()) return;
    left = window(mask.left == kUnbounded ? kUnbounded : mask.left + shift);
    right = window(mask.right == kUnbounded ? kUnbounded : mask.right - shift);
  }
  bool causal = false;
  std::optional<std::int64_t> left, right;
};

/// With zeros in the channels that it does not have.
at::Tensor padded(const at::Tensor& x, std::int64_t width) {
  return x.size(3) == width ? x : at::constant_pad_nd(x, {0, width - x.size(3)});
}

/// Memory-efficient attention's codes: no mask, causal aligned at the first query and key.
std::int64_t efficient_mask(BandMask mask) { return mask.causal() ? 1 : 0; }

/// [batch, length, heads, …] ↔ [batch, heads, length, …].
at::Tensor by_head(const at::Tensor& x) { return x.transpose(1, 2); }

/// [batch, queries, heads] → dense [batch, heads, queries], with `length` queries of which those
/// added are cancelled.
at::Tensor lse_by_head(const at::Tensor& lse, std::int64_t length) {
  const at::Tensor heads_first = by_head(lse);
  const std::int64_t added = length - lse.size(1);
  return added == 0
             ? heads_first.contiguous()
             : at::constant_pad_nd(heads_first, {0, added}, std::numeric_limits<float>::infinity());
}

/// While this lives, LibTorch's gradients of attention repeat bit for bit where that is asked for
/// (take_repeatable_kernels): it takes such kernels only where it might as well refuse.
class StrictlyRepeatable {
 public:
  StrictlyRepeatable()
      : is_asked_for_(at::globalContext().deterministicAlgorithms()),
        warns_only_(at::globalContext().deterministicAlgorithmsWarnOnly()) {
    at::globalContext().setDeterministicAlgorithms(is_asked_for_, /*warn_only=*/false);
  }
  StrictlyRepeatable(const StrictlyRepeatable&) = delete;
  StrictlyRepeatable& operator=(const StrictlyRepeatable&) = delete;
  ~StrictlyRepeatable() {
    at::globalContext().setDeterministicAlgorithms(is_asked_for_, warns_only_);
  }

 private:
  bool is_asked_for_, warns_only_;
};

BandedOutput flash_forward(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           BandMask mask, double scale) {
  const FlashMask flash(query, key, mask);
  const std::int64_t width = std::max(query.size(3), value.size(3));
  const auto result = at::_flash_attention_forward(
      padded(query, width), padded(key, width), padded(value, width), std::nullopt, std::nullopt,
      query.size(1), key.size(1), /*dropout_p=*/0.0, flash.causal, /*return_debug_mask=*/false,
      scale, flash.left, flash.right);
  return {std::get<0>(result).narrow(3, 0, value.size(3)), by_head(std::get<1>(result))};
}

BandedGradients flash_backward(const at::Tensor& d_out, const at::Tensor& query,
                               const at::Tensor& key, const at::Tensor& value,
                               const at::Tensor& out, const at::Tensor& lse, BandMask mask,
                               double scale) {
  // Dropout is zero, so the state of its random numbers is never read.
  const auto words = at::TensorOptions().dtype(at::kUInt64).device(query.device());
  const FlashMask flash(query, key, mask);
  const std::int64_t width = std::max(query.size(3), value.size(3));
  const auto [d_query, d_key, d_value] = at::_flash_attention_backward(
      padded(d_out, width).contiguous(), padded(query, width), padded(key, width),
      padded(value, width), padded(out, width).contiguous(), lse_by_head(lse, lse.size(1)),
      at::Tensor(), at::Tensor(), query.size(1), key.size(1), /*dropout_p=*/0.0, flash.causal,
      at::zeros({2}, words), at::empty({0}, words), scale, flash.left, flash.right);
  return {d_query.narrow(3, 0, query.size(3)), d_key.narrow(3, 0, key.size(3)),
          d_value.narrow(3, 0, value.size(3))};
}

BandedOutput efficient_forward(const at::Tensor& query, const at::Tensor& key,
                               const at::Tensor& value, BandMask mask, double scale) {
  const auto result = at::_efficient_attention_forward(
      query, key, value, /*bias=*/std::nullopt, std::nullopt, std::nullopt, std::nullopt,
      std::nullopt, /*dropout_p=*/0.0, efficient_mask(mask), /*compute_log_sumexp=*/true, scale);
  // The kernel rounds the length of lse [batch, heads, length] up.
  return {std::get<0>(result), by_head(std::get<1>(result).narrow(2, 0, query.size(1)))};
}

BandedGradients efficient_backward(const at::Tensor& d_out, const at::Tensor& query,
                                   const at::Tensor& key, const at::Tensor& value,
                                   const at::Tensor& out, const at::Tensor& lse, BandMask mask,
                                   double scale) {
  constexpr std::int64_t kLseAlignment = 32;
  const std::int64_t length = (query.size(1) + kLseAlignment - 1) / kLseAlignment * kLseAlignment;
  const at::Tensor word =
      at::zeros({}, at::TensorOptions().dtype(at::kLong).device(query.device()));
  const auto result = at::_efficient_attention_backward(
      d_out.contiguous(), query, key, value, /*bias=*/std::nullopt, out.contiguous(), std::nullopt,
      std::nullopt, query.size(1), key.size(1), lse_by_head(lse, length), /*dropout_p=*/0.0, word,
      word, efficient_mask(mask), /*bias_requires_grad=*/false, scale);
  return {std::get<0>(result), std::get<1>(result), std::get<2>(result)};
}

}  // namespace

bool banded_cuda_serves(const at::Tensor& query, const at::Tensor& value, BandMask mask) {
  for (const std::int64_t width : {query.size(3), value.size(3)}) {
    if (width % 8 != 0 || width > 256) return false;
  }
  return is_half(query.scalar_type()) ||
         (query.scalar_type() == at::kFloat && (mask.all() || mask.causal()));
}

BandedOutput banded_forward_cuda(const at::Tensor& query, const at::Tensor& key,
                                 const at::Tensor& value, BandMask mask, double scale) {
  const auto run = is_half(query.scalar_type()) ? flash_forward : efficient_forward;
  return run(query, key, value, mask, scale);
}

BandedGradients banded_backward_cuda(const at::Tensor& d_out, const at::Tensor& query,
                                     const at::Tensor& key, const at::Tensor& value,
                                     const at::Tensor& out, const at::Tensor& lse, BandMask mask,
                                     double scale) {
  const StrictlyRepeatable while_it_runs;
  const auto run = is_half(query.scalar_type()) ? flash_backward : efficient_backward;
  return run(d_out, query, key, value, out, lse, mask, scale);
}

}  // namespace sparse_transformer
