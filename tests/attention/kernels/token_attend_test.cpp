// The CUDA kernel of token_attend.cuh, run block by block on the CPU (emulated_block.h).
#include "attention/kernels/token_attend.cuh"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <vector>

#include "attention/kernels/token_plan.h"
#include "attention/kv_cache.h"
#include "attention/sparse_attention.h"
#include "tests/attention/pattern_cases.h"
#include "tests/runtime/cuda/emulated_block.h"

namespace sparse_transformer {
namespace {

constexpr double kUnwritten = std::numeric_limits<double>::quiet_NaN();

struct Emulation {
  Order order = Order::kForwards;
  int warps = 2;
};

void run(const TokenCall& call, CacheType type, const Emulation& emulation) {
  EmulatedBlock block(32 * emulation.warps, token_kernels::kSharedBytes, emulation.order,
                      Arrival::kWhenAwaited);
  block.run(call.batch * call.heads,
            [&](EmulatedThread& thread, std::int64_t number, std::uint16_t* shared) {
              if (type == CacheType::kFloat32) {
                token_kernels::attend<CacheType::kFloat32>(thread, number, call, shared);
              } else if (type == CacheType::kBfloat16) {
                token_kernels::attend<CacheType::kBfloat16>(thread, number, call, shared);
              } else {
                token_kernels::attend<CacheType::kFloat16>(thread, number, call, shared);
              }
            });
}

HeadShape head_shape(std::int64_t query_width, std::int64_t value_width) {
  return {.query_width = query_width, .value_width = value_width, .scale = 0.35};
}

at::Tensor random_packed(const PatternCase& c, const HeadShape& shape, at::ScalarType type) {
  at::manual_seed(11);
  return at::randn({2, c.n, c.heads, shape.packed_width()}, at::kDouble).to(type);
}

struct Decoded {
  at::Tensor out;     // of the positions from `prefilled` on
  at::Tensor memory;  // of the layer, at the end
};

/// Token by token after the first `prefilled` positions; what no position has been written to is no
/// number. Nothing where the pattern has no table.
std::optional<Decoded> decode(const PatternCase& c, const at::Tensor& packed,
                              const HeadShape& shape, std::int64_t prefilled = 0,
                              const Emulation& emulation = {}) {
  KeyValueCache cache({layer_of(c)}, {.batch = packed.size(0), .length = c.n}, shape);
  const auto table = token_table(cache.places(0), c.n);
  if (!table) return std::nullopt;
  cache.append(0, packed.narrow(1, 0, std::max<std::int64_t>(1, prefilled)));
  const at::Tensor memory = cache.memory(0);
  if (prefilled == 0) memory.fill_(kUnwritten);
  std::vector<at::Tensor> outs;
  for (std::int64_t t = prefilled; t < c.n; ++t) {
    const at::Tensor row = packed.narrow(1, t, 1).contiguous();
    const at::Tensor position = at::full({1}, t, at::kLong);
    const at::Tensor out =
        at::full({packed.size(0), 1, c.heads, shape.value_width}, kUnwritten, packed.options());
    run(token_call(memory, *table, shape, row, position, out), cache_type(packed.scalar_type()),
        emulation);
    outs.push_back(out);
  }
  return Decoded{at::cat(outs, 1), memory};
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

/// Every pattern once, at a length that is quick to go through and no multiple of the stride.
std::vector<PatternCase> token_cases() {
  std::vector<PatternCase> cases;
  std::set<std::vector<std::string>> known;
  for (const PatternCase& c : pattern_cases()) {
    if (known.insert(c.entry).second) cases.push_back({c.entry, 27, 6, 2, 4});
  }
  return cases;
}

TEST(TokenAttend, EqualsWholeSequencesForEveryPatternAtEveryPosition) {
  const HeadShape shape = head_shape(8, 16);
  for (const PatternCase& c : token_cases()) {
    SCOPED_TRACE(case_name(c));
    const at::Tensor packed = random_packed(c, shape, at::kFloat);
    const auto decoded = decode(c, packed, shape, 0, {.warps = 1});
    ASSERT_TRUE(decoded);
    const at::Tensor whole = sparse_attention_reference(packed.to(at::kDouble), layer_of(c), shape);
    ASSERT_LT(largest_difference(decoded->out, whole), 1e-5);
  }
}

struct Widths {
  std::int64_t query, value;
};

TEST(TokenAttend, ServesWidthsAndTypes) {
  const PatternCase c = {{"fixed", "local+column"}, 27, 6, 2, 4};
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const Widths& widths :
         {Widths{8, 8}, Widths{64, 128}, Widths{128, 64}, Widths{24, 40}, Widths{72, 8}}) {
      SCOPED_TRACE(std::string(at::toString(type)) + " " + std::to_string(widths.query) + " " +
                   std::to_string(widths.value));
      const HeadShape shape = head_shape(widths.query, widths.value);
      ASSERT_TRUE(serves_token(shape, type));
      const at::Tensor packed = random_packed(c, shape, type);
      const at::Tensor whole =
          sparse_attention_reference(packed.to(at::kDouble), layer_of(c), shape);
      const double rounding =
          type == at::kFloat ? 1e-6 : (type == at::kBFloat16 ? 0x1p-9 : 0x1p-12);
      // An output is rounded once, to half a unit in its last place.
      EXPECT_LT(largest_difference(decode(c, packed, shape)->out, whole),
                1.01 * rounding * 2 * whole.abs().max().item<double>() + 2e-6);
    }
  }
  EXPECT_FALSE(serves_token(head_shape(12, 8), at::kFloat));
  EXPECT_FALSE(serves_token(head_shape(8, 136), at::kFloat));
  EXPECT_FALSE(serves_token(head_shape(8, 8), at::kDouble));
}

TEST(TokenAttend, KeepsRowsWhereTheCacheDoesAndGoesOnFromIts) {
  const HeadShape shape = head_shape(8, 8);
  for (const PatternCase& c : {PatternCase{{"fixed", "local+column"}, 27, 6, 2, 4},
                               PatternCase{{"start+tokens"}, 20, 6, 2, 2},
                               PatternCase{{"near+start", "column"}, 31, 6, 2, 2}}) {
    SCOPED_TRACE(case_name(c));
    const at::Tensor packed = random_packed(c, shape, at::kFloat);
    KeyValueCache cache({layer_of(c)}, {.batch = 2, .length = c.n}, shape);
    cache.append(0, packed);
    const at::Tensor whole = sparse_attention_reference(packed.to(at::kDouble), layer_of(c), shape);
    for (const std::int64_t prefilled : {std::int64_t{1}, c.stride + 1, c.n - 1}) {
      const auto decoded = decode(c, packed, shape, prefilled);
      EXPECT_TRUE(at::equal(decoded->memory, cache.memory(0)));
      EXPECT_LT(largest_difference(decoded->out, whole.narrow(1, prefilled, c.n - prefilled)),
                1e-5);
    }
  }
}

// Keys for every lane several times over, later ones that outdo the earlier and the other way
// round.
TEST(TokenAttend, LongRunsAreSharedAmongWarps) {
  const HeadShape shape = head_shape(64, 32);
  const PatternCase c = {{"dense"}, 300, 16, 4, 1};
  for (const double last : {3.0, -3.0}) {
    const at::Tensor packed = random_packed(c, shape, at::kBFloat16);
    packed.narrow(3, 64, 64).mul_(at::linspace(0.1, last, c.n).view({-1, 1, 1}));
    const auto decoded = decode(c, packed, shape, c.n - 2, {.warps = 8});
    const at::Tensor whole = sparse_attention_reference(packed.to(at::kDouble), layer_of(c), shape)
                                 .narrow(1, c.n - 2, 2);
    EXPECT_LT(largest_difference(decoded->out, whole), 0x1p-8 * whole.abs().max().item<double>());
  }
}

// A race between threads gives other numbers when they run in another order.
TEST(TokenAttend, TheOrderOfThreadsChangesNoBit) {
  const HeadShape shape = head_shape(32, 64);
  const PatternCase c = {{"local+column"}, 100, 16, 4, 2};
  const at::Tensor packed = random_packed(c, shape, at::kBFloat16);
  const auto one = decode(c, packed, shape, 90, {.warps = 8});
  const auto other = decode(c, packed, shape, 90, {.order = Order::kBackwards, .warps = 8});
  EXPECT_TRUE(at::equal(one->out, other->out));
  EXPECT_TRUE(at::equal(one->memory, other->memory));
}

TEST(TokenAttend, ASequenceHasTheSameBitsInAnyBatch) {
  const HeadShape shape = head_shape(8, 16);
  const PatternCase c = {{"local", "column"}, 33, 6, 2, 2};
  const at::Tensor packed = random_packed(c, shape, at::kFloat);
  const at::Tensor all = decode(c, packed, shape)->out;
  for (std::int64_t sequence = 0; sequence < 2; ++sequence) {
    const at::Tensor alone = packed.narrow(0, sequence, 1);
    EXPECT_TRUE(at::equal(decode(c, alone, shape)->out, all.narrow(0, sequence, 1)));
  }
}

TEST(TokenAttend, WhatIsNotANumberStaysSo) {
  const HeadShape shape = head_shape(8, 8);
  const PatternCase c = {{"dense"}, 40, 4, 2, 1};
  for (const std::int64_t t : {0, 37}) {
    const at::Tensor packed = random_packed(c, shape, at::kFloat);
    packed.select(1, t).narrow(2, 8, 8).fill_(kUnwritten);
    EXPECT_TRUE(decode(c, packed, shape, 39)->out.isnan().all().item<bool>());
  }
}

}  // namespace
}  // namespace sparse_transformer
