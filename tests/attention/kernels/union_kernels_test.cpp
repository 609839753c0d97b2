// The CUDA kernels of a union of bands, run block by block on the CPU (emulated_block.h).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <type_traits>

#include "attention/kernels/band_backward.cuh"
#include "attention/kernels/band_forward.cuh"
#include "attention/kernels/union_calls.h"
#include "tests/attention/kernels/emulated_block.h"
#include "tests/attention/kernels/union_cases.h"

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

void expect_exact(at::ScalarType type, double rounding_floor) {
  for (const UnionCase& c : union_cases()) {
    expect_exact_union(c, type, rounding_floor, [](const auto& x, const auto&... layer) {
      const Tensors result = run_layer(x.packed, x.d_out, layer...);
      return UnionResult{result.out, result.d_packed};
    });
  }
}

TEST(UnionKernels, AreAsExactAsPlainCodeInBfloat16) { expect_exact(at::kBFloat16, 2e-2); }

TEST(UnionKernels, AreAsExactAsPlainCodeInFloat16) { expect_exact(at::kHalf, 3e-3); }

// A race between threads gives other numbers when they run in another order.
TEST(UnionKernels, TheOrderOfThreadsChangesNoBit) {
  const UnionCase c{{{"local+column"}, 70, 6, 3, 1}, 1, 32, 64};
  const UnionTensors x(c, at::kBFloat16);
  const LayerPattern pattern = layer_of(c.pattern);
  const Tensors one = run_layer(x.packed, x.d_out, pattern, c.shape(), Order::kForwards);
  const Tensors other = run_layer(x.packed, x.d_out, pattern, c.shape(), Order::kBackwards);
  EXPECT_TRUE(at::equal(one.out, other.out));
  EXPECT_TRUE(at::equal(one.lse, other.lse));
  EXPECT_TRUE(at::equal(one.d_packed, other.d_packed));
}

TEST(UnionKernels, ChangingAPositionMovesThoseWhoSeeItOnly) {
  const UnionCase c{{{"local+column"}, 60, 9, 3, 1}, 1, 16, 16};
  const UnionTensors x(c, at::kBFloat16);
  const LayerPattern pattern = layer_of(c.pattern);
  const at::Tensor before = run_layer(x.packed, x.d_out, pattern, c.shape()).out;
  for (const std::int64_t t : {0, 20, 59}) {
    const at::Tensor changed = x.packed.clone();
    changed.select(1, t).add_(1.0);
    const at::Tensor out = run_layer(changed, x.d_out, pattern, c.shape()).out;
    const at::Tensor moved = out.ne(before).any(3).flatten();
    for (std::int64_t i = 0; i < c.pattern.n; ++i) {
      EXPECT_EQ(moved[i].item<bool>(), sees(c.pattern, 0, i, t)) << t << " seen from " << i;
    }
  }
}

TEST(UnionKernels, ServeBandsInHalfPrecisionOfServedWidths) {
  const auto serves = [](const std::string& entry, std::int64_t query_width, at::ScalarType type) {
    const UnionCase c{{{entry}, 60, 6, 3, 2}, 1, query_width, 64};
    return is_union_of_bands(UnionTensors(c, type).packed, layer_of(c.pattern), c.shape());
  };
  EXPECT_TRUE(serves("local+column", 64, at::kHalf));
  EXPECT_FALSE(serves("local+column", 64, at::kFloat));
  EXPECT_FALSE(serves("local+column", 20, at::kHalf));
  EXPECT_FALSE(serves("local+column", 136, at::kHalf));
  EXPECT_FALSE(serves("dense", 64, at::kHalf));
  EXPECT_FALSE(serves("row+summary", 64, at::kHalf));
}

}  // namespace
}  // namespace sparse_transformer
