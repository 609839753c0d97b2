#include "attention/shared_list.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sparse_transformer {
namespace {

struct Case {
  std::int64_t batch, n, heads;
  Shared shared;
};

std::vector<Case> cases() {
  const Shared summary = {.period = 6, .width = 2, .first = 4};
  const Shared rotating = {.period = 6, .width = 2, .first = 4, .rotate = 2, .blocks = 3};
  const Shared sinks = {.period = 1000, .width = 3};
  const Shared late = {.period = 6, .width = 1, .delay = 3, .origin = 5};
  return {{1, 96, 2, summary},   {2, 96, 2, summary}, {2, 90, 1, summary},
          {3, 97, 2, summary},   {2, 7, 1, summary},  {2, 42, 4, rotating},
          {2, 100, 3, rotating}, {2, 40, 2, sinks},   {2, 77, 2, late}};
}

/// How often each head's query meets each entry of its list in the calls: [batch, heads, n,
/// entries].
at::Tensor meetings(const Case& c, Staircase staircase) {
  const at::Tensor key = at::zeros({c.batch, c.n, c.heads, 1});
  const HeadGroup group = {.name = "", .first_head = 0, .heads = c.heads, .pieces = {}};
  SharedList list(key, key, c.shared, group, staircase);
  const std::int64_t entries =
      std::max<std::int64_t>(1, c.n / c.shared.period + 1) * c.shared.width;
  at::Tensor count = at::zeros({c.batch, c.heads, c.n, entries});
  for (const SharedCall& call : list.calls()) {
    // Of one call by its marks on both sides, which are summed over what is folded.
    const at::Tensor queries = at::zeros({c.batch, c.n, c.heads, 1});
    const at::Tensor keys = at::zeros({c.batch, entries, c.heads, 1});
    for (std::int64_t s = 0; s < call.query.sequences; ++s) {
      for (std::int64_t o = 0; o < call.query.outer; ++o) {
        Slice query = call.query, entry = call.key;
        for (Slice* slice : {&query, &entry}) {
          slice->first_sequence += s;
          slice->sequences = 1;
          slice->start += o * slice->outer_step;
          slice->outer = 1;
        }
        queries.zero_();
        keys.zero_();
        select(queries, query).fill_(1);
        select(keys, entry).fill_(1);
        count += at::einsum("bqhx,bkhx->bhqk", {queries, keys});
      }
    }
  }
  return count;
}

TEST(SharedList, RectanglesAreTheSameMeetingsAsSteps) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.n);
    const at::Tensor steps = meetings(c, Staircase::kSteps);
    EXPECT_GT(steps.sum().item<double>(), 0.0);
    EXPECT_EQ(steps.max().item<double>(), 1.0);
    EXPECT_TRUE(at::equal(steps, meetings(c, Staircase::kRectangles)));
  }
}

TEST(SharedList, EveryQueryMeetsTheGroupsBeforeIt) {
  for (const Case& c : cases()) {
    const at::Tensor found = meetings(c, Staircase::kRectangles).sum(3);
    for (std::int64_t head = 0; head < c.heads; ++head) {
      for (std::int64_t t = 0; t < c.n; ++t) {
        EXPECT_EQ(found[0][head][t].item<double>(),
                  static_cast<double>(c.shared.groups(t, head) * c.shared.width));
      }
    }
  }
}

TEST(SharedList, RectanglesAreFewForLongSequences) {
  // Of enwik8: 12,288 positions in rows of 128, and two of them at a time.
  const at::Tensor key = at::empty({2, 12288, 1, 1});
  const Shared summary = {.period = 128, .width = 32, .first = 96};
  const HeadGroup group = {.name = "", .first_head = 0, .heads = 1, .pieces = {}};
  EXPECT_EQ(SharedList(key, key, summary, group, Staircase::kSteps).calls().size(), 95U);
  EXPECT_EQ(SharedList(key, key, summary, group, Staircase::kRectangles).calls().size(), 7U);
}

}  // namespace
}  // namespace sparse_transformer
