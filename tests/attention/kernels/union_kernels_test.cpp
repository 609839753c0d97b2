// The CUDA kernels of a union of bands, run block by block on the CPU (emulated_block.h).
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>

#include "attention/kernels/band_backward.cuh"
#include "attention/kernels/band_forward.cuh"
#include "attention/kernels/union_calls.h"
#include "attention/sparse_attention.h"
#include "tests/attention/kernels/emulated_block.h"
#include "tests/attention/pattern_cases.h"

namespace sparse_transformer {
namespace {

struct Tensors {
  at::Tensor packed, out, lse, d_out, delta, d_packed;

  LayerMemory memory() const {
    return {.packed = bits(packed),
            .out = bits(out),
            .lse = lse.mutable_data_ptr<float>(),
            .d_out = bits(d_out),
            .delta = delta.mutable_data_ptr<float>(),
            .d_packed = bits(d_packed)};
  }
  static std::uint16_t* bits(const at::Tensor& x) {
    return static_cast<std::uint16_t*>(x.mutable_data_ptr());
  }
};

/// Runs `kernel`, a generic lambda of (thread, shared), with the widths that serve the call.
template <typename Run>
void with_widths(const LayerSizes& sizes, const Run& run) {
  const auto with_value = [&](auto query) {
    if (sizes.value_width <= 32) return run(query, std::integral_constant<int, 32>());
    if (sizes.value_width <= 64) return run(query, std::integral_constant<int, 64>());
    run(query, std::integral_constant<int, 128>());
  };
  if (sizes.query_width <= 32) return with_value(std::integral_constant<int, 32>());
  if (sizes.query_width <= 64) return with_value(std::integral_constant<int, 64>());
  with_value(std::integral_constant<int, 128>());
}

template <HalfType kType>
void run_forward(const BandCall& call, Order order) {
  const BandLaunch launch = band_launch(call);
  with_widths(call.sizes, [&](auto query, auto value) {
    constexpr int kQuery = decltype(query)::value;
    constexpr int kValue = decltype(value)::value;
    const int bytes = union_kernels::forward_bytes<kQuery, kValue>(launch.warps);
    EmulatedBlock(32 * launch.warps, bytes, order)
        .run(launch.blocks, [&](EmulatedThread& thread, std::uint16_t* shared) {
          union_kernels::forward<kType, kQuery, kValue>(thread, call, shared);
        });
  });
}

template <HalfType kType>
void run_backward(const BandCall& call, Order order) {
  const BandLaunch launch = band_launch(call);
  with_widths(call.sizes, [&](auto query, auto value) {
    constexpr int kQuery = decltype(query)::value;
    constexpr int kValue = decltype(value)::value;
    const int bytes = union_kernels::backward_bytes<kQuery, kValue>(launch.warps);
    EmulatedBlock block(32 * launch.warps, bytes, order);
    block.run(launch.blocks, [&](EmulatedThread& thread, std::uint16_t* shared) {
      union_kernels::query_gradient<kType, kQuery, kValue>(thread, call, shared);
    });
    block.run(launch.blocks, [&](EmulatedThread& thread, std::uint16_t* shared) {
      union_kernels::key_gradient<kType, kQuery, kValue>(thread, call, shared);
    });
  });
}

/// A layer, forward and backward.
template <HalfType kType>
Tensors run_layer(const at::Tensor& packed, const at::Tensor& d_out, const LayerPattern& pattern,
                  const HeadShape& shape, Order order) {
  const double unwritten = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor lse = at::full({packed.size(0), packed.size(1), packed.size(2)}, unwritten,
                                  packed.options().dtype(at::kFloat));
  Tensors x{packed, at::full_like(d_out, unwritten), lse,
            d_out,  at::full_like(lse, unwritten),   at::full_like(packed, unwritten)};
  UnionCalls plan = union_calls(packed, pattern, shape);
  for (const HeadGroup* group : plan.partial) {
    x.out.narrow(2, group->first_head, group->heads).zero_();
    x.d_packed.narrow(2, group->first_head, group->heads).zero_();
    x.lse.narrow(2, group->first_head, group->heads).fill_(-std::numeric_limits<float>::infinity());
  }
  for (BandCall& call : plan.calls) {
    call.memory = x.memory();
    run_forward<kType>(call, order);
  }
  const std::int64_t rows = lse.numel();
  EmulatedBlock(128, 0, order).run((rows + 7) / 8, [&](EmulatedThread& thread, std::uint16_t*) {
    union_kernels::sum_delta<kType>(thread, x.memory(), d_out.size(3), rows);
  });
  for (const BandCall& call : plan.calls) run_backward<kType>(call, order);
  return x;
}

Tensors run_layer(const at::Tensor& packed, const at::Tensor& d_out, const LayerPattern& pattern,
                  const HeadShape& shape, Order order = Order::kForwards) {
  const auto run = packed.scalar_type() == at::kHalf ? run_layer<HalfType::kFloat16>
                                                     : run_layer<HalfType::kBfloat16>;
  return run(packed, d_out, pattern, shape, order);
}

struct Reference {
  at::Tensor out, d_packed;
};

Reference reference(const at::Tensor& packed, const at::Tensor& d_out, const LayerPattern& pattern,
                    const HeadShape& shape) {
  const at::Tensor x = packed.detach().clone().requires_grad_(true);
  const at::Tensor out = sparse_attention_reference(x, pattern, shape);
  return {out.detach(), torch::autograd::grad({out}, {x}, {d_out}).front()};
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

struct UnionCase {
  PatternCase pattern;
  std::int64_t batch, query_width, value_width;
};

at::Tensor random(at::IntArrayRef sizes, at::ScalarType type) {
  return at::randn(sizes, at::TensorOptions().dtype(at::kDouble)).to(type);
}

// As exact as plain code in the same type: see sparse_attention_test.cpp.
void expect_exact(const UnionCase& c, at::ScalarType type, double rounding_floor) {
  SCOPED_TRACE(case_name(c.pattern) + " widths " + std::to_string(c.query_width) + " and " +
               std::to_string(c.value_width));
  at::manual_seed(7);
  const LayerPattern pattern = layer_of(c.pattern);
  const HeadShape shape{c.query_width, c.value_width,
                        1.0 / std::sqrt(static_cast<double>(c.query_width))};
  const at::Tensor packed =
      random({c.batch, c.pattern.n, c.pattern.heads, shape.packed_width()}, type);
  const at::Tensor d_out = random({c.batch, c.pattern.n, c.pattern.heads, c.value_width}, type);
  ASSERT_TRUE(is_union_of_bands(packed, pattern, shape));
  const Tensors fast = run_layer(packed, d_out, pattern, shape);
  const Reference plain = reference(packed, d_out, pattern, shape);
  const Reference exact = reference(packed.to(at::kDouble), d_out.to(at::kDouble), pattern, shape);
  EXPECT_LT(difference(fast.out, exact.out), 2 * difference(plain.out, exact.out) + rounding_floor);
  EXPECT_LT(difference(fast.d_packed, exact.d_packed),
            2 * difference(plain.d_packed, exact.d_packed) + rounding_floor);
}

std::vector<UnionCase> union_cases() {
  return {
      {{{"local"}, 200, 48, 4, 2}, 2, 64, 64},
      {{{"column"}, 200, 16, 4, 2}, 2, 64, 64},
      {{{"local+column"}, 200, 16, 4, 2}, 2, 64, 64},
      {{{"local+column"}, 203, 7, 7, 2}, 1, 32, 64},
      {{{"local", "column"}, 130, 65, 5, 4}, 1, 64, 128},
      {{{"local+column"}, 257, 3, 3, 2}, 1, 128, 128},
      {{{"row", "local+column"}, 90, 30, 3, 2}, 3, 16, 32},
      {{{"local+previous+column"}, 100, 24, 4, 1}, 1, 24, 40},
      {{{"seven+column"}, 77, 9, 3, 1}, 1, 8, 8},
      {{{"after"}, 70, 9, 3, 1}, 1, 16, 8},
      {{{"local+column"}, 1, 8, 4, 1}, 1, 16, 16},
      {{{"local+column"}, 40, 100, 4, 1}, 1, 16, 16},
  };
}

TEST(UnionKernels, AreAsExactAsPlainCodeInBfloat16) {
  for (const UnionCase& c : union_cases()) expect_exact(c, at::kBFloat16, 2e-2);
}

TEST(UnionKernels, AreAsExactAsPlainCodeInFloat16) {
  for (const UnionCase& c : union_cases()) expect_exact(c, at::kHalf, 3e-3);
}

}  // namespace
}  // namespace sparse_transformer
