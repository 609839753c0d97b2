#include "model/token_layers.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <vector>

#include "attention/kernels/token_fused.h"
#include "model/fused_rows.h"

namespace sparse_transformer {
namespace {

template <typename T>
void normalise(const Norm& norm, const at::Tensor& x, const at::Tensor& y) {
  const std::int64_t width = norm.weight.size(0);
  const std::int64_t rows = x.numel() / width;
  std::vector<T> mean(static_cast<std::size_t>(rows));
  std::vector<T> reciprocal(static_cast<std::size_t>(rows));
  row_kernels<T>().norm({.width = width,
                         .epsilon = static_cast<T>(norm.epsilon),
                         .x = x.const_data_ptr<T>(),
                         .gain = norm.weight.const_data_ptr<T>(),
                         .shift = norm.bias.const_data_ptr<T>(),
                         .y = y.data_ptr<T>(),
                         .mean = mean.data(),
                         .reciprocal = reciprocal.data()},
                        {0, rows});
}

template <typename T>
void multiply(const PackedLinear& linear, const at::Tensor& x, const at::Tensor& y, After after) {
  const std::int64_t width = linear.weight.size(1);
  const TokenProduct<T> product = {.rows = x.numel() / width,
                                   .width = width,
                                   .outs = linear.outs,
                                   .x = x.const_data_ptr<T>(),
                                   .weight = linear.weight.const_data_ptr<T>(),
                                   .bias = linear.bias.const_data_ptr<T>(),
                                   .y = y.data_ptr<T>(),
                                   .after = after};
  const std::int64_t grain = token_grain(kPanel * width * product.rows);
  at::parallel_for(0, linear.weight.size(0), grain, [&](std::int64_t begin, std::int64_t end) {
    token_kernels<T>().multiply(product, begin, end);
  });
}

}  // namespace

PackedLinear packed(const Linear& linear) {
  const std::int64_t outs = linear.weight.size(0);
  const std::int64_t padding = (kPanel - outs % kPanel) % kPanel;
  const at::Tensor weight = at::constant_pad_nd(linear.weight.detach(), {0, 0, 0, padding});
  const at::Tensor bias = linear.bias.defined()
                              ? at::constant_pad_nd(linear.bias.detach(), {0, padding})
                              : at::zeros({outs + padding}, weight.options());
  return {.outs = outs,
          .weight = weight.unflatten(0, {-1, kPanel}).transpose(1, 2).contiguous(),
          .bias = bias};
}

void normalise_rows(const Norm& norm, const at::Tensor& x, const at::Tensor& y) {
  const auto run = x.scalar_type() == at::kDouble ? normalise<double> : normalise<float>;
  run(norm, x, y);
}

void multiply_rows(const PackedLinear& linear, const at::Tensor& x, const at::Tensor& y,
                   After after) {
  const auto run = x.scalar_type() == at::kDouble ? multiply<double> : multiply<float>;
  run(linear, x, y, after);
}

}  // namespace sparse_transformer
