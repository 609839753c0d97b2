// Unions that the CUDA kernels serve, and what they are compared with on a GPU.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "attention/kernels/union_plan.h"
#include "attention/sparse_attention.h"
#include "tests/attention/pattern_cases.h"

namespace sparse_transformer {

struct UnionCase {
  PatternCase pattern;
  std::int64_t batch, query_width, value_width;

  HeadShape shape() const {
    return {query_width, value_width, 1.0 / std::sqrt(static_cast<double>(query_width))};
  }
};

/// Single bands and unions, also with an origin and with segments; sequences that no tile, no
/// stride and no segment divides; widths that fill a kernel's and that do not.
inline std::vector<UnionCase> union_cases() {
  return {
      {{{"local"}, 200, 48, 4, 2}, 2, 64, 64},
      {{{"column"}, 200, 16, 4, 2}, 2, 64, 64},
      {{{"local+column"}, 200, 16, 4, 2}, 2, 64, 64},
      {{{"local+column"}, 203, 7, 7, 2}, 1, 32, 64},
      {{{"local", "column"}, 130, 65, 5, 4}, 1, 64, 128},
      {{{"local+column"}, 140, 3, 3, 1}, 1, 128, 128},
      {{{"row", "local+column"}, 90, 30, 3, 2}, 3, 16, 32},
      {{{"local+previous+column"}, 100, 24, 4, 1}, 1, 24, 40},
      {{{"seven+column"}, 77, 9, 3, 1}, 1, 128, 16},
      {{{"after"}, 70, 9, 3, 1}, 1, 16, 8},
      {{{"local+column"}, 1, 8, 4, 1}, 1, 16, 16},
      {{{"local+column"}, 40, 100, 4, 1}, 1, 8, 72},
      {{{"fixed"}, 200, 32, 8, 4}, 2, 64, 64},
      {{{"summary"}, 150, 12, 4, 3}, 1, 128, 32},
  };
}

struct UnionTensors {
  UnionTensors(const UnionCase& c, at::ScalarType type) {
    at::manual_seed(7);
    const auto random = [&](std::int64_t width) {
      return at::randn({c.batch, c.pattern.n, c.pattern.heads, width}, at::kDouble).to(type);
    };
    packed = random(c.shape().packed_width());
    d_out = random(c.value_width);
  }
  at::Tensor packed, d_out;
};

struct UnionResult {
  at::Tensor out, d_packed;
};

template <typename Attention>
UnionResult differentiated(const Attention& attention, const UnionTensors& x,
                           const LayerPattern& pattern, const HeadShape& shape) {
  const at::Tensor packed = x.packed.detach().clone().requires_grad_(true);
  const at::Tensor out = attention(packed, pattern, shape);
  return {out.detach(), torch::autograd::grad({out}, {packed}, {x.d_out}).front()};
}

inline double union_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.cpu().to(at::kDouble) - b.cpu().to(at::kDouble)).abs().max().item<double>();
}

/// Error to float64 at most twice that of plain code in the same type, plus a rounding floor, as in
/// sparse_attention_test.cpp. run(tensors, pattern, shape) is what is tested.
template <typename Run>
void expect_exact_union(const UnionCase& c, at::ScalarType type, double rounding_floor,
                        const Run& run) {
  SCOPED_TRACE(case_name(c.pattern) + " widths " + std::to_string(c.query_width) + " and " +
               std::to_string(c.value_width));
  const LayerPattern pattern = layer_of(c.pattern);
  const UnionTensors x(c, type);
  ASSERT_TRUE(is_served_union(pattern, c.shape(), c.pattern.n));
  UnionTensors wide = x;
  wide.packed = x.packed.to(at::kDouble);
  wide.d_out = x.d_out.to(at::kDouble);
  const UnionResult fast = run(x, pattern, c.shape());
  const UnionResult plain = differentiated(sparse_attention_reference, x, pattern, c.shape());
  const UnionResult exact = differentiated(sparse_attention_reference, wide, pattern, c.shape());
  EXPECT_LT(union_difference(fast.out, exact.out),
            2 * union_difference(plain.out, exact.out) + rounding_floor);
  EXPECT_LT(union_difference(fast.d_packed, exact.d_packed),
            2 * union_difference(plain.d_packed, exact.d_packed) + rounding_floor);
}

}  // namespace sparse_transformer
