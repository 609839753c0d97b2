// The CUDA kernels of a union of bands, run block by block on the CPU (emulated_block.h).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <type_traits>
#include <vector>

#include "attention/kernels/band_backward.cuh"
#include "attention/kernels/band_forward.cuh"
#include "attention/kernels/band_turns.cuh"
#include "attention/kernels/union_plan.h"
#include "tests/attention/kernels/union_cases.h"
#include "tests/runtime/cuda/emulated_block.h"

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

/// Calls run(query width, value width) with the constants of the kernel that serves the heads.
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

/// How a layer is run; no result depends on it.
struct Emulation {
  Order order = Order::kForwards;
  Arrival arrival = Arrival::kWhenAwaited;
  std::int32_t lag = 1;
  std::int64_t slice_bytes = 6 << 20;
};

/// Runs a launch: kernel(thread, call, block, shared, query width, value width).
template <typename Bytes, typename Kernel>
void run_launch(UnionWork& work, const Emulation& emulation, const Bytes& bytes,
                const Kernel& kernel) {
  work.lag = emulation.lag;
  std::vector<std::int32_t> counters(static_cast<std::size_t>(counters_of(work)));
  with_widths(work.bands[0].sizes, [&](auto query, auto value) {
    EmulatedBlock(32 * work.warps, bytes(query, value), emulation.order, emulation.arrival)
        .run(work.turns(), [&](EmulatedThread& thread, std::int64_t, std::uint16_t* shared) {
          union_kernels::take_turn(
              thread, work, counters.data(), shared, [&](const UnionWork::Turn& turn) {
                kernel(thread, work.bands[turn.band], turn.block, shared, query, value);
              });
        });
  });
}

template <HalfType kType>
void run_forward(UnionWork& work, const Emulation& emulation) {
  run_launch(
      work, emulation,
      [&](auto query, auto value) {
        return union_kernels::forward_bytes<decltype(query)::value, decltype(value)::value>(
            work.warps);
      },
      [](EmulatedThread& thread, const BandCall& call, std::int64_t block, std::uint16_t* shared,
         auto query, auto value) {
        union_kernels::forward<kType, decltype(query)::value, decltype(value)::value>(
            thread, call, block, shared);
      });
}

template <HalfType kType>
void run_backward(UnionWork& work, const Emulation& emulation) {
  run_launch(
      work, emulation,
      [&](auto query, auto value) {
        return union_kernels::backward_bytes<decltype(query)::value, decltype(value)::value>(
            work.warps);
      },
      [](EmulatedThread& thread, const BandCall& call, std::int64_t block, std::uint16_t* shared,
         auto query, auto value) {
        union_kernels::backward<kType, decltype(query)::value, decltype(value)::value>(
            thread, call, block, shared);
      });
}

template <HalfType kType>
void run_delta(const Tensors& x, const Emulation& emulation) {
  constexpr std::int64_t kThreads = 128;
  constexpr std::int64_t kRowsABlock = kThreads / union_kernels::kDeltaThreads;
  const std::int64_t rows = x.delta.numel();
  EmulatedBlock(kThreads, 0, emulation.order, emulation.arrival)
      .run((rows + kRowsABlock - 1) / kRowsABlock,
           [&](EmulatedThread& thread, std::int64_t block, std::uint16_t*) {
             union_kernels::sum_delta<kType>(thread, block, x.memory(),
                                             static_cast<int>(x.d_out.size(3)), rows);
           });
}

/// A layer, forward and backward.
template <HalfType kType>
Tensors run_layer_of(const at::Tensor& packed, const at::Tensor& d_out, const LayerPattern& pattern,
                     const HeadShape& shape, const Emulation& emulation) {
  const double unwritten = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor lse = at::full({packed.size(0), packed.size(1), packed.size(2)}, unwritten,
                                  packed.options().dtype(at::kFloat));
  const Tensors x{.packed = packed,
                  .out = at::full_like(d_out, unwritten),
                  .lse = lse,
                  .d_out = d_out,
                  .delta = at::full_like(lse, unwritten),
                  .d_packed = at::full_like(packed, unwritten)};
  const auto run_plan = [&](Direction direction, const auto& run) {
    UnionPlan plan = union_plan(packed, pattern, shape, direction, emulation.slice_bytes);
    for (const HeadGroup* group : plan.partial) {
      const auto heads_of = [&](const at::Tensor& all) {
        return all.narrow(2, group->first_head, group->heads);
      };
      if (direction == Direction::kForward) {
        heads_of(x.out).zero_();
        heads_of(x.lse).fill_(-std::numeric_limits<float>::infinity());
      } else {
        heads_of(x.d_packed).zero_();
      }
    }
    for (UnionWork& work : plan.launches) {
      for (BandCall& call : work.bands) call.memory = x.memory();
      run(work, emulation);
    }
  };
  run_plan(Direction::kForward, run_forward<kType>);
  run_delta<kType>(x, emulation);
  run_plan(Direction::kBackward, run_backward<kType>);
  return x;
}

Tensors run_layer(const at::Tensor& packed, const at::Tensor& d_out, const LayerPattern& pattern,
                  const HeadShape& shape, const Emulation& emulation = {}) {
  const auto run = packed.scalar_type() == at::kHalf ? run_layer_of<HalfType::kFloat16>
                                                     : run_layer_of<HalfType::kBfloat16>;
  return run(packed, d_out, pattern, shape, emulation);
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

void expect_the_same_in_any_order(const UnionCase& c) {
  const UnionTensors x(c, at::kBFloat16);
  const LayerPattern pattern = layer_of(c.pattern);
  const Tensors one = run_layer(x.packed, x.d_out, pattern, c.shape());
  for (const Emulation& emulation :
       {Emulation{.arrival = Arrival::kAtOnce},
        Emulation{.order = Order::kBackwards, .arrival = Arrival::kAtOnce, .slice_bytes = 1},
        Emulation{.order = Order::kBackwards, .lag = 3, .slice_bytes = 60'000}}) {
    const Tensors other = run_layer(x.packed, x.d_out, pattern, c.shape(), emulation);
    EXPECT_TRUE(at::equal(one.out, other.out));
    EXPECT_TRUE(at::equal(one.lse, other.lse));
    EXPECT_TRUE(at::equal(one.d_packed, other.d_packed));
  }
}

// A race between threads gives other numbers when they run in another order; slices and their lag
// say only when a block has its turn. Several bands and slices; several warps that meet more than
// two tiles.
TEST(UnionKernels, TheOrderOfWorkChangesNoBit) {
  expect_the_same_in_any_order({{{"local+previous+column"}, 70, 6, 3, 4}, 2, 32, 64});
  expect_the_same_in_any_order({{{"local"}, 230, 120, 3, 1}, 1, 32, 32});
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
