#include "data/permutation.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <stdexcept>
#include <vector>

namespace sparse_transformer {
namespace {

std::vector<std::int64_t> all_of(std::int64_t size, std::uint64_t key) {
  const Permutation order(size, key);
  std::vector<std::int64_t> values;
  for (std::int64_t i = 0; i < size; ++i) {
    values.push_back(order(i));
  }
  return values;
}

TEST(Permutation, VisitsEveryElementOnce) {
  for (const std::int64_t size : {1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 63, 64, 65, 100, 255, 256,
                                  257, 1000, 4095, 4096, 4097, 50000}) {
    for (const std::uint64_t key : {0U, 1U, 12345U}) {
      std::vector<bool> seen(static_cast<std::size_t>(size));
      for (const std::int64_t value : all_of(size, key)) {
        ASSERT_GE(value, 0);
        ASSERT_LT(value, size);
        ASSERT_FALSE(seen[static_cast<std::size_t>(value)]) << size << " key " << key;
        seen[static_cast<std::size_t>(value)] = true;
      }
    }
  }
}

TEST(Permutation, ReachesEveryOrderOfThree) {
  std::set<std::vector<std::int64_t>> orders;
  for (std::uint64_t key = 0; key < 200; ++key) {
    orders.insert(all_of(3, key));
  }
  EXPECT_EQ(orders.size(), 6U);
}

TEST(Permutation, LooksShuffled) {
  // Of 1,000 elements about one stays in place and about half the neighbours stay in order.
  int fixed = 0;
  int rising = 0;
  const auto values = all_of(1000, 7);
  for (std::size_t i = 0; i < values.size(); ++i) {
    fixed += values[i] == static_cast<std::int64_t>(i) ? 1 : 0;
    rising += i > 0 && values[i] > values[i - 1] ? 1 : 0;
  }
  EXPECT_LT(fixed, 8);
  EXPECT_GT(rising, 440);
  EXPECT_LT(rising, 560);
}

TEST(Permutation, StaysTheSameForEver) {
  // Exact resume and cifar10's validation pictures rest on these numbers.
  EXPECT_EQ(all_of(8, 1), (std::vector<std::int64_t>{}));
}

TEST(Permutation, HandlesHugeSizesAndRefusesTheImpossible) {
  const std::int64_t huge = std::int64_t{1} << 62;
  EXPECT_LT(Permutation(huge, 3)(huge - 1), huge);
  EXPECT_THROW(Permutation(0, 1), std::logic_error);
  EXPECT_THROW(Permutation(4, 1)(4), std::logic_error);
  EXPECT_THROW(Permutation(4, 1)(-1), std::logic_error);
}

}  // namespace
}  // namespace sparse_transformer
