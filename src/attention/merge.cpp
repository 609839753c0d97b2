#include "attention/merge.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <limits>

namespace sparse_transformer {
namespace {

/// The weights of the two parts and the new log-sum-exp.
template <typename Real>
struct Weights {
  Weights(Real lse, Real piece) {
    const Real largest = std::max(lse, piece);
    if (largest == -std::numeric_limits<Real>::infinity()) {
      merged = largest;
      return;
    }
    const Real a = std::exp(lse - largest);
    const Real b = std::exp(piece - largest);
    old_part = a / (a + b);
    new_part = b / (a + b);
    merged = largest + std::log(a + b);
  }
  Real old_part = 0, new_part = 0, merged = 0;
};

template <typename Real>
void merge_on_cpu(const at::Tensor& out, const at::Tensor& lse, const at::Tensor& piece_out,
                  const at::Tensor& piece_lse) {
  const std::int64_t length = out.size(1);
  const std::int64_t heads = out.size(2);
  const std::int64_t width = out.size(3);
  constexpr std::int64_t kTokensATask = 64;
  at::parallel_for(
      0, out.size(0) * length, kTokensATask, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t token = begin; token < end; ++token) {
          const std::int64_t b = token / length;
          const std::int64_t i = token % length;
          for (std::int64_t h = 0; h < heads; ++h) {
            Real& total =
                lse.data_ptr<Real>()[b * lse.stride(0) + i * lse.stride(1) + h * lse.stride(2)];
            const Weights<Real> weights(
                total,
                piece_lse.const_data_ptr<Real>()[b * piece_lse.stride(0) + i * piece_lse.stride(1) +
                                                 h * piece_lse.stride(2)]);
            total = weights.merged;
            Real* o =
                out.data_ptr<Real>() + b * out.stride(0) + i * out.stride(1) + h * out.stride(2);
            const Real* p = piece_out.const_data_ptr<Real>() + b * piece_out.stride(0) +
                            i * piece_out.stride(1) + h * piece_out.stride(2);
            for (std::int64_t w = 0; w < width; ++w) {
              o[w] = weights.old_part * o[w] + weights.new_part * p[w];
            }
          }
        }
      });
}

void merge_by_operations(const at::Tensor& out, const at::Tensor& lse, const at::Tensor& piece_out,
                         const at::Tensor& piece_lse) {
  const at::Tensor merged = at::logaddexp(lse, piece_lse);
  // exp(-inf - -inf) is NaN where neither has a key: both weights are 0 there.
  const auto weight = [&merged](const at::Tensor& part) {
    return (part - merged).exp_().nan_to_num_(0.0).unsqueeze(-1);
  };
  out.mul_(weight(lse)).add_(piece_out * weight(piece_lse));
  lse.copy_(merged);
}

}  // namespace

void merge_into(const at::Tensor& out, const at::Tensor& lse, const at::Tensor& piece_out,
                const at::Tensor& piece_lse) {
  if (!out.is_cpu()) {
    merge_by_operations(out, lse, piece_out, piece_lse);
  } else if (out.scalar_type() == at::kDouble) {
    merge_on_cpu<double>(out, lse, piece_out, piece_lse);
  } else {
    merge_on_cpu<float>(out, lse, piece_out, piece_lse);
  }
}

void add_share(const BandedOutput& sum, const BandedOutput& piece, Share share) {
  if (share == Share::kFurther) return merge_into(sum.out, sum.lse, piece.out, piece.lse);
  sum.out.copy_(piece.out);
  sum.lse.copy_(piece.lse);
}

void add_share(const BandedGradients& sum, const BandedGradients& piece, Share share) {
  const auto add = [share](const at::Tensor& into, const at::Tensor& part) {
    share == Share::kFirst ? into.copy_(part) : into.add_(part);
  };
  add(sum.d_query, piece.d_query);
  add(sum.d_key, piece.d_key);
  add(sum.d_value, piece.d_value);
}

}  // namespace sparse_transformer
