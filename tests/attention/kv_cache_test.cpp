#include "attention/kv_cache.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "attention/sparse_attention.h"
#include "tests/attention/pattern_cases.h"

namespace sparse_transformer {
namespace {

constexpr std::array<Kernels, 2> kBothKernels = {Kernels::kFused, Kernels::kPlain};
constexpr HeadShape kHead = {.query_width = 3, .value_width = 5, .scale = 0.35};

/// The patterns at sizes that are quick to go through token by token, with one above 100.
std::vector<PatternCase> decoding_cases() {
  std::vector<PatternCase> cases = pattern_cases();
  std::erase_if(cases, [](const PatternCase& c) { return c.n > 100 && c.stride != 16; });
  return cases;
}

at::Tensor random_packed(const PatternCase& c, std::int64_t batch, at::ScalarType type) {
  at::manual_seed(11);
  return at::randn({batch, c.n, c.heads, kHead.packed_width()}, at::kDouble).to(type);
}

/// The attention of the positions after `prefilled`, which are appended in the given portions.
at::Tensor decode(const PatternCase& c, const at::Tensor& packed,
                  const std::vector<std::int64_t>& prefilled, Kernels kernels = Kernels::kFused) {
  at::set_num_threads(1);  // so little work that threads would only wait for each other
  KeyValueCache cache({layer_of(c)}, {.batch = packed.size(0), .length = c.n}, kHead, kernels);
  std::int64_t position = 0;
  for (const std::int64_t count : prefilled) {
    cache.append(0, packed.narrow(1, position, count));
    position += count;
  }
  std::vector<at::Tensor> out;
  for (; position < c.n; ++position) out.push_back(cache.attend(0, packed.narrow(1, position, 1)));
  return at::cat(out, 1);
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

void expect_equal_to_reference(at::ScalarType type, double tolerance) {
  for (const PatternCase& c : decoding_cases()) {
    SCOPED_TRACE(case_name(c));
    const at::Tensor packed = random_packed(c, 2, type);
    const at::Tensor whole = sparse_attention_reference(packed.to(at::kDouble), layer_of(c), kHead);
    for (const Kernels kernels : kBothKernels) {
      ASSERT_LT(largest_difference(decode(c, packed, {}, kernels), whole), tolerance)
          << kKernelsWords[static_cast<std::size_t>(kernels)];
    }
  }
}

TEST(KeyValueCache, AttendsAsWholeSequencesDoInFloat32) {
  expect_equal_to_reference(at::kFloat, 1e-5);
}

TEST(KeyValueCache, AttendsAsWholeSequencesDoInFloat64) {
  expect_equal_to_reference(at::kDouble, 1e-12);
}

// q·k is beyond float16's 65,504 (paper §5.6); the products of half precision are float32's.
TEST(KeyValueCache, LargeProductsOfFloat16StayFinite) {
  const PatternCase c = decoding_cases().front();
  const at::Tensor packed = random_packed(c, 2, at::kHalf) * 300;
  const at::Tensor whole = sparse_attention_reference(packed.to(at::kDouble), layer_of(c), kHead);
  const at::Tensor decoded = decode(c, packed, {});
  EXPECT_EQ(decoded.scalar_type(), at::kHalf);
  EXPECT_LT(largest_difference(decoded, whole), 1e-3 * whole.abs().max().item<double>());
}

TEST(KeyValueCache, AppendingManyPositionsAtOnceChangesNoBit) {
  for (const PatternCase& c : decoding_cases()) {
    SCOPED_TRACE(case_name(c));
    const at::Tensor packed = random_packed(c, 2, at::kFloat);
    for (const Kernels kernels : kBothKernels) {
      const at::Tensor by_token = decode(c, packed, {}, kernels);
      for (const std::int64_t count : {c.stride, c.n / 2}) {
        if (count >= c.n) continue;
        const std::int64_t more = std::min(c.n - 1 - count, c.stride + 1);
        const std::int64_t first = count + more;
        ASSERT_TRUE(at::equal(decode(c, packed, {count, more}, kernels),
                              by_token.narrow(1, first, c.n - first)))
            << count << " and " << more << " positions at once";
      }
    }
  }
}

TEST(KeyValueCache, ASingleSequenceStandsForAllOfTheBatch) {
  const PatternCase c = {{"fixed", "local+column"}, 20, 4, 2, 4};
  const at::Tensor one = random_packed(c, 1, at::kFloat);
  const at::Tensor two = one.expand({2, -1, -1, -1});
  KeyValueCache cache({layer_of(c)}, {.batch = 2, .length = c.n}, kHead);
  cache.append(0, one.narrow(1, 0, c.n - 1));
  const at::Tensor out = cache.attend(0, two.narrow(1, c.n - 1, 1));
  EXPECT_TRUE(at::equal(out, decode(c, two, {c.n - 1})));
}

TEST(KeyValueCache, ASequenceHasTheSameBitsInAnyBatch) {
  for (const PatternCase& c : decoding_cases()) {
    SCOPED_TRACE(case_name(c));
    const at::Tensor packed = random_packed(c, 3, at::kFloat);
    const at::Tensor all = decode(c, packed, {});
    for (std::int64_t sequence = 0; sequence < 3; ++sequence) {
      const at::Tensor alone = packed.narrow(0, sequence, 1);
      ASSERT_TRUE(at::equal(decode(c, alone, {}), all.narrow(0, sequence, 1)));
    }
  }
}

TEST(KeyValueCache, LayersKeepTheirOwn) {
  const PatternCase c = {{"local"}, 20, 4, 2, 2};
  const PatternCase other = {{"column"}, 20, 4, 2, 2};
  const at::Tensor packed = random_packed(c, 2, at::kFloat);
  const at::Tensor reversed = packed.flip(1);
  KeyValueCache cache({layer_of(c), layer_of(other)}, {.batch = 2, .length = c.n}, kHead);
  at::Tensor first;
  at::Tensor second;
  for (std::int64_t t = 0; t < c.n; ++t) {
    first = cache.attend(0, packed.narrow(1, t, 1));
    second = cache.attend(1, reversed.narrow(1, t, 1));
  }
  EXPECT_TRUE(at::equal(first, decode(c, packed, {c.n - 1})));
  EXPECT_TRUE(at::equal(second, decode(other, reversed, {c.n - 1})));
}

// Rows of a cache after n positions; a row is a key and a value for 2 sequences of 1 head in
// float32.
std::int64_t rows_held(const PatternCase& c) {
  KeyValueCache cache({layer_of(c)}, {.batch = 2, .length = c.n}, kHead);
  const at::Tensor packed = random_packed(c, 2, at::kFloat);
  for (std::int64_t t = 0; t < c.n; ++t) cache.attend(0, packed.narrow(1, t, 1));
  constexpr std::int64_t kRowBytes = 2 * (kHead.query_width + kHead.value_width) * sizeof(float);
  return cache.bytes() / kRowBytes;
}

TEST(KeyValueCache, HoldsOnlyWhatThePatternCanAskFor) {
  const std::int64_t n = 512;
  const std::int64_t l = 16;
  EXPECT_EQ(rows_held({{"dense"}, n, l, 4, 1}), n);
  EXPECT_EQ(rows_held({{"column"}, n, l, 4, 1}), n);
  EXPECT_EQ(rows_held({{"local"}, n, l, 4, 1}), l);
  EXPECT_EQ(rows_held({{"row"}, n, l, 4, 1}), l);
  EXPECT_EQ(rows_held({{"previous"}, n, l, 4, 1}), 2 * l);
  EXPECT_EQ(rows_held({{"summary"}, n, l, 4, 1}), (n / l - 1) * 4);
  EXPECT_EQ(rows_held({{"fixed"}, n, l, 4, 1}), l + (n / l - 1) * 4);
  EXPECT_EQ(rows_held({{"local"}, l, l, 4, 1}), l) << "no more than the sequence";
  EXPECT_EQ(rows_held({{"column"}, 5 * l + 1, l, 4, 1}), 6 * l) << "whole columns";
}

TEST(KeyValueCache, RefusesMorePositionsThanItWasMadeFor) {
  const PatternCase c = {{"local"}, 8, 4, 2, 2};
  KeyValueCache cache({layer_of(c)}, {.batch = 2, .length = 6}, kHead);
  EXPECT_THROW(cache.append(0, random_packed(c, 2, at::kFloat)), std::logic_error);
}

}  // namespace
}  // namespace sparse_transformer
