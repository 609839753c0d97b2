#include "attention/slice.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/attention/pattern_cases.h"

namespace sparse_transformer {
namespace {

/// Positions that a slice of one sequence and head selects, row by row: [outer · length · columns].
at::Tensor positions(const Slice& slice, std::int64_t n, std::int64_t heads) {
  const at::Tensor index = at::arange(n, at::kLong).view({1, n, 1, 1}).expand({2, n, heads, 1});
  return select(index.contiguous(), slice);
}

/// How often the calls of a band pair query and key in each head of the last sequence:
/// [n, n, heads].
at::Tensor pair_counts(const std::vector<BandedCall>& calls, const SequenceShape& shape) {
  at::Tensor counts = at::zeros({shape.n, shape.n, shape.heads}, at::kLong);
  auto count = counts.accessor<std::int64_t, 3>();
  for (const BandedCall& call : calls) {
    const at::Tensor queries = positions(call.query, shape.n, shape.heads);
    const at::Tensor keys = positions(call.key, shape.n, shape.heads);
    EXPECT_EQ(queries.size(0), keys.size(0));
    EXPECT_EQ(queries.size(2), keys.size(2));
    if (call.query.first_sequence + call.query.sequences < shape.batch) continue;
    const auto query = queries.accessor<std::int64_t, 4>();
    const auto key = keys.accessor<std::int64_t, 4>();
    const std::int64_t segments = queries.size(0) / call.query.sequences;
    for (std::int64_t s = queries.size(0) - segments; s < queries.size(0); ++s) {
      for (std::int64_t i = 0; i < queries.size(1); ++i) {
        bool has_key = false;
        for (std::int64_t j = 0; j < keys.size(1); ++j) {
          if (i - j > call.mask.left || j - i > call.mask.right) continue;
          has_key = true;
          for (std::int64_t h = 0; h < queries.size(2); ++h) {
            const std::int64_t head = call.query.first_head + h % call.query.heads;
            ++count[query[s][i][h][0]][key[s][j][h][0]][head];
          }
        }
        EXPECT_TRUE(has_key);
      }
    }
  }
  return counts;
}

// With kernels that have windows and with those that have none, for some heads and for all.
TEST(BandedCalls, HaveEveryPairOfTheBandOnce) {
  for (const PatternCase& c : pattern_cases()) {
    if (c.n > 53) continue;
    SCOPED_TRACE(case_name(c));
    const LayerPattern layer = layer_of(c);
    for (const Piece& piece : layer.groups.front().pieces) {
      const auto* band = std::get_if<Band>(&piece);
      if (band == nullptr) continue;
      for (const HeadRange heads : {HeadRange{0, 2}, HeadRange{1, 1}}) {
        for (const bool windows : {true, false}) {
          const SequenceShape shape{2, c.n, 2};
          const at::Tensor counts = pair_counts(banded_calls(*band, shape, heads, windows), shape);
          const at::Tensor expected = at::zeros_like(counts);
          auto pair = expected.accessor<std::int64_t, 3>();
          for (std::int64_t t = 0; t < c.n; ++t) {
            for_each_key(*band, t, 0, [&](std::int64_t key) {
              for (std::int64_t h = 0; h < heads.count; ++h) pair[t][key][heads.first + h] = 1;
            });
          }
          ASSERT_TRUE(at::equal(counts, expected)) << (windows ? "windows" : "no windows");
        }
      }
    }
  }
}

// Memory of a kernel without windows is the pairs of its calls: rows of a window, never n · n.
TEST(BandedCalls, AreOneWhereTheViewDividesTheSequence) {
  const SequenceShape shape{2, 48, 4};
  for (const Band& band : {Band{}, Band{.high = 5}, Band{.view = {6, 1}}, Band{.view = {3, 4}},
                           Band{.view = {kUnbounded, 6}}, Band{.keys = 3}}) {
    EXPECT_EQ(banded_calls(band, shape, {0, 4}, true).size(), 1U);
  }
  for (const BandedCall& call : banded_calls({.low = 7, .high = 12}, shape, {0, 4}, false)) {
    EXPECT_LE(call.query.length * call.key.length, 6 * 6);
  }
}

}  // namespace
}  // namespace sparse_transformer
