#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "attention/kernels/token_fused.h"

namespace sparse_transformer {
namespace {

template <typename T>
constexpr double kTolerance = std::is_same_v<T, double> ? 1e-13 : 2e-5;

template <typename T>
at::Tensor random(at::IntArrayRef sizes) {
  return at::randn(sizes, at::kDouble).to(c10::CppTypeToScalarType<T>::value);
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

/// Calls `test` with each instruction set and type.
template <typename Test>
void for_each_kernel(const Test& test) {
  for (const TokenInstructionSet* instructions : token_instruction_sets()) {
    SCOPED_TRACE(instructions->name);
    test(instructions->float32, float{});
    test(instructions->float64, double{});
  }
}

/// weight: [outs, width]
at::Tensor in_panels(const at::Tensor& weight) {
  const std::int64_t padding = (kPanel - weight.size(0) % kPanel) % kPanel;
  return at::constant_pad_nd(weight, {0, 0, 0, padding})
      .unflatten(0, {-1, kPanel})
      .transpose(1, 2)
      .contiguous();
}

/// y, to which the product is added where `after` says so.
template <typename T>
at::Tensor multiplied(const TokenKernels<T>& kernels, const at::Tensor& x, const at::Tensor& weight,
                      const at::Tensor& bias, const at::Tensor& y, After after) {
  const at::Tensor panels = in_panels(weight);
  const at::Tensor padded = at::constant_pad_nd(bias, {0, panels.size(0) * kPanel - bias.size(0)});
  const at::Tensor result = y.clone();
  const TokenProduct<T> product = {.rows = x.size(0),
                                   .width = x.size(1),
                                   .outs = weight.size(0),
                                   .x = x.const_data_ptr<T>(),
                                   .weight = panels.const_data_ptr<T>(),
                                   .bias = padded.const_data_ptr<T>(),
                                   .y = result.data_ptr<T>(),
                                   .after = after};
  const std::int64_t half = panels.size(0) / 2;
  kernels.multiply(product, half, panels.size(0));
  kernels.multiply(product, 0, half);
  return result;
}

TEST(TokenKernels, ProductsEqualPlainOnes) {
  for_each_kernel([]<typename T>(const TokenKernels<T>& kernels, T /*number*/) {
    for (const std::int64_t rows : {1, 2, 6, 7, 16}) {
      for (const std::int64_t width : {1, 7, 8, 67}) {
        for (const std::int64_t outs : {1, 31, 32, 70}) {
          SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(width) + " to " +
                       std::to_string(outs));
          const at::Tensor x = random<T>({rows, width});
          const at::Tensor weight = random<T>({outs, width});
          const at::Tensor bias = random<T>({outs});
          const at::Tensor y = random<T>({rows, outs});
          const at::Tensor plain =
              at::linear(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
          const auto run = [&](After after) {
            return multiplied(kernels, x, weight, bias, y, after);
          };
          EXPECT_LT(largest_difference(run(After::kStore), plain), kTolerance<T>);
          EXPECT_LT(largest_difference(run(After::kAdd), y + plain), kTolerance<T>);
          EXPECT_LT(largest_difference(run(After::kActivate), plain * at::sigmoid(1.702 * plain)),
                    kTolerance<T>);
        }
      }
    }
  });
}

TEST(TokenKernels, ARowOfAProductHasTheSameBitsInAnyBatch) {
  for_each_kernel([]<typename T>(const TokenKernels<T>& kernels, T /*number*/) {
    const at::Tensor x = random<T>({9, 100});
    const at::Tensor weight = random<T>({40, 100});
    const at::Tensor bias = random<T>({40});
    const at::Tensor y = at::zeros({9, 40}, x.options());
    const at::Tensor all = multiplied(kernels, x, weight, bias, y, After::kActivate);
    for (std::int64_t row = 0; row < 9; ++row) {
      EXPECT_TRUE(at::equal(multiplied(kernels, x.narrow(0, row, 1), weight, bias,
                                       y.narrow(0, row, 1), After::kActivate),
                            all.narrow(0, row, 1)));
    }
  });
}

/// Rows of [sequences, capacity, query width + value width], in runs of every length around those
/// of a register and a tile, with and without steps.
template <typename T>
struct CachedCase {
  std::int64_t query_width, value_width;
  std::vector<std::int64_t> counts, steps;

  at::Tensor run(const TokenKernels<T>& kernels, const at::Tensor& store, const at::Tensor& query,
                 std::int64_t sequence) const {
    std::vector<CachedRun<T>> runs;
    const T* rows = store.const_data_ptr<T>();
    for (std::size_t i = 0; i < counts.size(); ++i) {
      runs.push_back({rows, counts[i], steps[i] * store.size(2), store.stride(0)});
      rows += counts[i] * steps[i] * store.size(2);
    }
    const at::Tensor out = at::full({value_width}, 7.0, store.options());
    kernels.attend({query_width, value_width, T(0.4), runs.data(), std::ssize(runs)}, sequence,
                   query.const_data_ptr<T>(), out.data_ptr<T>());
    return out;
  }

  at::Tensor plain(const at::Tensor& store, const at::Tensor& query, std::int64_t sequence) const {
    std::vector<at::Tensor> seen;
    std::int64_t first = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const std::int64_t end = first + counts[i] * steps[i];
      seen.push_back(store[sequence].slice(0, first, end, steps[i]).to(at::kDouble));
      first = end;
    }
    const at::Tensor rows = at::cat(seen);
    const at::Tensor scores = at::mv(rows.narrow(1, 0, query_width), query.to(at::kDouble)) * 0.4;
    return at::mv(rows.narrow(1, query_width, value_width).t(), scores.softmax(0));
  }
};

TEST(TokenKernels, AttentionOverRunsEqualsPlainAttention) {
  for_each_kernel([]<typename T>(const TokenKernels<T>& kernels, T /*number*/) {
    const std::vector<CachedCase<T>> cases = {
        {8, 8, {1}, {1}},           {64, 128, {3, 5}, {1, 2}},  {5, 3, {7, 8, 9}, {1, 1, 3}},
        {16, 65, {32}, {1}},        {1, 1, {31, 33}, {2, 1}},   {20, 9, {100, 0, 1}, {1, 1, 5}},
        {12, 12, {15, 17}, {1, 1}}, {64, 64, {64, 65}, {1, 4}},
    };
    for (const CachedCase<T>& c : cases) {
      const at::Tensor store = random<T>({2, 400, c.query_width + c.value_width});
      // Later keys outdo earlier ones, and the other way round.
      store.narrow(2, 0, c.query_width)
          .mul_(at::linspace(0.1, 3.0, 400, store.options()).view({-1, 1}));
      for (const double sign : {1.0, -1.0}) {
        const at::Tensor query = random<T>({c.query_width}) * sign;
        for (const std::int64_t sequence : {0, 1}) {
          EXPECT_LT(largest_difference(c.run(kernels, store, query, sequence),
                                       c.plain(store, query, sequence)),
                    kTolerance<T>)
              << c.query_width << " " << c.value_width << " " << c.counts[0];
        }
      }
    }
  });
}

TEST(TokenKernels, WithoutAKeyAttentionIsZero) {
  for_each_kernel([]<typename T>(const TokenKernels<T>& kernels, T /*number*/) {
    const at::Tensor store = random<T>({1, 4, 10});
    const CachedCase<T> none = {4, 6, {0}, {1}};
    EXPECT_EQ(none.run(kernels, store, random<T>({4}), 0).abs().max().template item<double>(), 0.0);
  });
}

TEST(TokenKernels, WhatIsNotANumberStaysSo) {
  for_each_kernel([]<typename T>(const TokenKernels<T>& kernels, T /*number*/) {
    for (const std::int64_t row : {0, 39}) {
      const at::Tensor store = random<T>({1, 40, 10});
      store[0][row].fill_(std::numeric_limits<double>::quiet_NaN());
      const CachedCase<T> all = {4, 6, {40}, {1}};
      EXPECT_TRUE(all.run(kernels, store, random<T>({4}), 0).isnan().all().template item<bool>());
    }
  });
}

}  // namespace
}  // namespace sparse_transformer
