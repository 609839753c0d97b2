#include "attention/token_table.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/attention/pattern_cases.h"

namespace sparse_transformer {
namespace {

/// What is in the rows of a layer: positions, as the table says where they go.
class Rows {
 public:
  Rows(const TokenTable& table, std::int64_t rows)
      : table_(table),
        entries_(table.entries.accessor<std::int32_t, 3>()),
        heads_(table.heads.accessor<std::int64_t, 2>()),
        positions_(static_cast<std::size_t>(rows), -1) {}

  void keep(std::int64_t head, std::int64_t t) {
    for (std::int64_t i = 0; i < table_.places; ++i) {
      const std::int32_t place = entries_[t][heads_[head][0]][i];
      if (place >= 0) at(head, place) = t;
    }
  }

  std::vector<std::int64_t> seen(std::int64_t head, std::int64_t t) {
    std::vector<std::int64_t> positions;
    for (std::int64_t r = 0; r < table_.runs; ++r) {
      const auto run = entries_[t][heads_[head][0]];
      const std::int64_t i = table_.places + 3 * r;
      for (std::int64_t k = 0; k < run[i + 2]; ++k) {
        positions.push_back(at(head, run[i] + k * run[i + 1]));
      }
    }
    std::sort(positions.begin(), positions.end());
    return positions;
  }

 private:
  std::int64_t& at(std::int64_t head, std::int64_t row) {
    return positions_.at(static_cast<std::size_t>(heads_[head][1] + row));
  }

  const TokenTable& table_;
  at::TensorAccessor<std::int32_t, 3> entries_;
  at::TensorAccessor<std::int64_t, 2> heads_;
  std::vector<std::int64_t> positions_;
};

bool has_blocks(const LayerPattern& layer) {
  return std::any_of(layer.groups.begin(), layer.groups.end(), [](const HeadGroup& group) {
    return std::any_of(group.pieces.begin(), group.pieces.end(),
                       [](const Piece& piece) { return std::holds_alternative<Blocks>(piece); });
  });
}

TEST(TokenTable, EveryQueryReadsTheRowsOfThePositionsThatItSees) {
  for (const PatternCase& c : pattern_cases()) {
    if (c.n > 100) continue;
    SCOPED_TRACE(case_name(c));
    const LayerPattern layer = layer_of(c);
    const LayerPlaces places = layer_places(layer, c.n);
    const auto table = token_table(places, c.n);
    if (!table) {
      EXPECT_TRUE(has_blocks(layer)) << "bands and lists have a few runs";
      continue;
    }
    Rows rows(*table, places.rows);
    for (std::int64_t t = 0; t < c.n; ++t) {
      for (std::int64_t head = 0; head < c.heads; ++head) {
        rows.keep(head, t);
        std::vector<std::int64_t> expected;
        for (std::int64_t j = 0; j <= t; ++j) {
          if (sees(c, head, t, j)) expected.push_back(j);
        }
        ASSERT_EQ(rows.seen(head, t), expected) << "position " << t << " of head " << head;
      }
    }
  }
}

TEST(TokenTable, IsNotMadeForManyRuns) {
  // Every second position of the last 40 is a run of its own.
  LayoutPattern layout{.block = 1, .path = {}, .rows = {}};
  for (std::int64_t i = 0; i < 40; ++i) {
    std::string row(40, '0');
    for (std::int64_t j = i % 2; j <= i; j += 2) row[static_cast<std::size_t>(j)] = '1';
    layout.rows.push_back(row);
  }
  AttentionSettings settings;
  settings.define = {{"comb", {layout}}};
  settings.stride = 4;
  settings.layers = {{"comb"}};
  const auto layer = layer_patterns(settings, 1, 2, 40).front();
  EXPECT_FALSE(token_table(layer_places(layer, 40), 40));
  EXPECT_TRUE(token_table(layer_places(layer, 10), 10));
}

TEST(TokenTable, IsNotMadeLargerThanItsBound) {
  const PatternCase c = {{"local"}, 16, 4, 2, 1};
  constexpr std::int64_t kNumbers = 1 + 3 * 2;
  constexpr std::int64_t kMost = (std::int64_t{256} << 20) / 4 / kNumbers;
  EXPECT_FALSE(token_table(layer_places(layer_of(c), kMost + 1), kMost + 1));
}

}  // namespace
}  // namespace sparse_transformer
