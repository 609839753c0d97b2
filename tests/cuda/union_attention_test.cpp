// Unions of bands and lists of keys (attention/kernels/union_*.cu) against their definition in
// float64, forward and backward.
#include "attention/kernels/union_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/cuda/union_layer.h"

namespace sparse_transformer {
namespace {

std::string test_name(const UnionCase& c) {
  std::string name;
  for (const std::string& entry : c.pattern.entry) name += (name.empty() ? "" : "_or_") + entry;
  name += "_n" + std::to_string(c.pattern.n) + "_l" + std::to_string(c.pattern.stride) + "_c" +
          std::to_string(c.pattern.summary) + "_" + std::to_string(c.query_width) + "x" +
          std::to_string(c.value_width);
  for (char& letter : name) letter = letter == '+' ? '_' : letter;
  return name;
}

Sees sees_of(const UnionCase& c) {
  return [&c](std::size_t head, std::size_t i, std::size_t j) {
    const auto number = [](std::size_t x) { return static_cast<std::int64_t>(x); };
    return sees(c.pattern, number(head), number(i), number(j));
  };
}

/// Beside rounding to the type, sums in float32 and approximate exponentials.
template <typename T>
void expect_within_bounds(const DeviceBuffer<T>& result, const Bounded& right,
                          const std::string& what) {
  const std::vector<double> numbers = exact(result.read());
  ASSERT_EQ(numbers.size(), right.exact.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const double most = (kRounding<T> + 1e-5) * right.bound[i] + 1e-6;
    ASSERT_LE(std::abs(numbers[i] - right.exact[i]), most)
        << what << " " << i << ": " << numbers[i] << " instead of " << right.exact[i];
  }
}

template <typename T>
void expect_exact_of(const std::vector<float>& values, const UnionCase& c,
                     const UnionTuning& tuning = {}) {
  ASSERT_TRUE(is_served_union(layer_of(c.pattern), c.shape(), c.pattern.n));
  UnionLayer<T> layer(c, values);
  layer.forward(tuning);
  layer.backward(tuning);
  const std::vector<double> packed = exact(layer.packed.read()), d_out = exact(layer.d_out.read());
  const AttentionReference right(size_of(c), packed, d_out, sees_of(c), layer.most_pieces());
  expect_within_bounds(layer.out, right.out, "out");
  expect_within_bounds(layer.d_packed, right.d_packed, "d_packed");
  const std::vector<float> lse = layer.lse.read();
  for (std::size_t i = 0; i < lse.size(); ++i) {
    if (std::isinf(right.lse[i])) {
      ASSERT_EQ(lse[i], -std::numeric_limits<float>::infinity());
    } else {
      ASSERT_NEAR(lse[i], right.lse[i], 1e-5 * (1 + std::abs(right.lse[i])));
    }
  }
}

template <typename T>
void expect_exact(const UnionCase& c, const UnionTuning& tuning = {}) {
  expect_exact_of<T>(UnionLayer<T>::random_values(c), c, tuning);
}

/// Heads of every width that kernels are compiled for.
std::vector<UnionCase> kernel_cases() {
  std::vector<UnionCase> cases;
  for (const auto& [query, value] :
       std::vector<std::pair<int, int>>{{32, 32}, {32, 64}, {64, 64}, {64, 128}, {128, 128}}) {
    cases.push_back({{{"fixed", "local+column"}, 75, 12, 3, 2}, 1, query, value});
  }
  return cases;
}

/// Every pattern that the kernels serve.
std::vector<UnionCase> pattern_union_cases() {
  std::vector<UnionCase> cases;
  for (const PatternCase& c : pattern_cases()) {
    const UnionCase with_widths = {c, 1, 16, 8};
    if (c.n <= 80 && is_served_union(layer_of(c), with_widths.shape(), c.n)) {
      cases.push_back(with_widths);
    }
  }
  return cases;
}

class UnionWidths : public testing::TestWithParam<UnionCase> {};
INSTANTIATE_TEST_SUITE_P(Cases, UnionWidths, testing::ValuesIn(union_cases()),
                         [](const auto& its) { return test_name(its.param); });
TEST_P(UnionWidths, AreExactInBfloat16) { expect_exact<Bfloat16>(GetParam()); }
TEST_P(UnionWidths, AreExactInFloat16) { expect_exact<Float16>(GetParam()); }

using KernelCase = std::tuple<UnionCase, std::int32_t>;  // with the warps of a block
class UnionKernels : public testing::TestWithParam<KernelCase> {};
INSTANTIATE_TEST_SUITE_P(Cases, UnionKernels,
                         testing::Combine(testing::ValuesIn(kernel_cases()),
                                          testing::Values(1, 2, 4)),
                         [](const auto& its) {
                           return test_name(std::get<0>(its.param)) + "_warps" +
                                  std::to_string(std::get<1>(its.param));
                         });
TEST_P(UnionKernels, AreExact) {
  const auto& [c, warps] = GetParam();
  expect_exact<Bfloat16>(c, {.warps = warps});
  expect_exact<Float16>(c, {.warps = warps});
}

class UnionPatterns : public testing::TestWithParam<UnionCase> {};
INSTANTIATE_TEST_SUITE_P(Cases, UnionPatterns, testing::ValuesIn(pattern_union_cases()),
                         [](const auto& its) { return test_name(its.param); });
TEST_P(UnionPatterns, AreExact) { expect_exact<Bfloat16>(GetParam()); }

// Where exp(score) itself would be 0 or infinite.
TEST(UnionAttention, ScoresFarFromZeroAreExact) {
  const UnionCase c{{{"row+previous+column"}, 40, 10, 4, 1}, 1, 16, 16};
  for (const float key : {-8.0F, 8.0F}) {
    std::vector<float> values = UnionLayer<Bfloat16>::random_values(c);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t part = i % size_of(c).packed_width() / size_of(c).query_width();
      values[i] += part == 0 ? 8.0F : part == 1 ? key : 0.0F;
    }
    expect_exact_of<Bfloat16>(values, c);
  }
}

// Two slices with few blocks. Where several blocks run at once, one that counted the finished
// blocks of the other slice, too, would begin before those of its own are finished.
TEST(UnionAttention, PiecesWaitForTheirOwnSlice) {
  expect_exact<Bfloat16>({{{"column+local"}, 128, 2, 1, 1}, 2, 16, 16}, {.warps = 4});
}

template <typename T>
bool same_bits(const DeviceBuffer<T>& a, const DeviceBuffer<T>& b) {
  const std::vector<T> x = a.read(), y = b.read();
  return std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;
}

// Slices and their lag say when a block has its turn, and change no bit.
TEST(UnionAttention, SlicesChangeNoBit) {
  for (const UnionCase& c : {UnionCase{{{"local+previous+column"}, 70, 6, 3, 4}, 2, 32, 64},
                             UnionCase{{{"fixed"}, 130, 12, 3, 4}, 2, 32, 32}}) {
    UnionLayer<Bfloat16> one(c), other(c);
    one.forward();
    one.backward();
    for (const std::int64_t slice_bytes : {1, 60'000}) {
      other.forward({.slice_bytes = slice_bytes});
      other.backward({.slice_bytes = slice_bytes});
      EXPECT_TRUE(same_bits(one.out, other.out));
      EXPECT_TRUE(same_bits(one.lse, other.lse));
      EXPECT_TRUE(same_bits(one.d_packed, other.d_packed));
    }
  }
}

TEST(UnionAttention, ChangingAPositionMovesThoseWhoSeeItOnly) {
  for (const char* const pattern : {"local+column", "fixed"}) {
    const UnionCase c{{{pattern}, 60, 10, 5, 2}, 1, 16, 16};
    UnionLayer<Bfloat16> before(c);
    before.forward();
    const std::vector<double> old_out = exact(before.out.read());
    for (const std::size_t t : {0, 20, 29, 59}) {
      std::vector<float> values = UnionLayer<Bfloat16>::random_values(c);
      const std::size_t position = size_of(c).heads * size_of(c).packed_width();
      for (std::size_t i = t * position; i < (t + 1) * position; ++i) values[i] += 1.0F;
      UnionLayer<Bfloat16> after(c, values);
      after.forward();
      const std::vector<double> new_out = exact(after.out.read());
      const std::size_t row = size_of(c).value_width();
      for (std::size_t r = 0; r < size_of(c).rows(); ++r) {
        const auto begin = static_cast<std::ptrdiff_t>(r * row);
        const bool moved = !std::equal(old_out.begin() + begin,
                                       old_out.begin() + begin + static_cast<std::ptrdiff_t>(row),
                                       new_out.begin() + begin);
        const std::size_t head = r % size_of(c).heads, i = r / size_of(c).heads;
        EXPECT_EQ(moved, t <= i && sees_of(c)(head, i, t)) << t << " seen from " << i;
      }
    }
  }
}

}  // namespace
}  // namespace sparse_transformer
