#include "attention/token_table.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace sparse_transformer {
namespace {

/// What position t of a head does, in rows of the head.
struct HeadEntry {
  std::vector<std::int64_t> places;
  std::vector<RowRun> runs;

  void fill(const GroupPlaces& group, std::int64_t head, std::int64_t t) {
    places.clear();
    runs.clear();
    for (const KeptPiece& piece : group.pieces) {
      const auto add = [&](const auto& kept) {
        const std::size_t before = runs.size();
        const std::optional<std::int64_t> place = kept.place(t, head);
        if (place) places.push_back(piece.first_row + *place);
        kept.add_runs(t, head, runs);
        for (std::size_t r = before; r < runs.size(); ++r) runs[r].first += piece.first_row;
      };
      std::visit(add, piece.places);
    }
  }
};

/// Calls visit(set, t, entry) for all positions of one head of every set.
template <typename Visit>
void for_each_entry(const LayerPlaces& layer, std::int64_t length, const Visit& visit) {
  HeadEntry entry;
  std::int64_t set = 0;
  for (const GroupPlaces& group : layer.groups) {
    for (std::int64_t head = 0; head < group.distinct_heads; ++head, ++set) {
      for (std::int64_t t = 0; t < length; ++t) {
        entry.fill(group, head, t);
        visit(set, t, entry);
      }
    }
  }
}

at::Tensor head_places(const LayerPlaces& layer) {
  std::vector<std::int64_t> heads;
  std::int64_t first_set = 0;
  for (const GroupPlaces& group : layer.groups) {
    for (std::int64_t head = 0; head < group.heads; ++head) {
      heads.push_back(first_set + head % group.distinct_heads);
      heads.push_back(group.first_row + head * group.head_rows);
    }
    first_set += group.distinct_heads;
  }
  return at::tensor(heads, at::kLong).view({-1, 2});
}

}  // namespace

std::optional<TokenTable> token_table(const LayerPlaces& layer, std::int64_t length) {
  constexpr std::int64_t kMostNumbers = (std::int64_t{256} << 20) / sizeof(std::int32_t);
  TokenTable table = {.places = 0, .runs = 0, .entries = {}, .heads = head_places(layer)};
  std::int64_t sets = 0;
  for_each_entry(layer, length, [&](std::int64_t set, std::int64_t /*t*/, const HeadEntry& entry) {
    sets = set + 1;
    table.places = std::max<std::int64_t>(table.places, std::ssize(entry.places));
    table.runs = std::max<std::int64_t>(table.runs, std::ssize(entry.runs));
  });
  const std::int64_t numbers = table.places + 3 * table.runs;
  if (table.places > kMostPlaces || table.runs > kMostRuns ||
      length * sets * numbers > kMostNumbers) {
    return std::nullopt;
  }
  table.entries = at::zeros({length, sets, numbers}, at::kInt);
  table.entries.narrow(2, 0, table.places).fill_(-1);
  const auto entries = table.entries.accessor<std::int32_t, 3>();
  for_each_entry(layer, length, [&](std::int64_t set, std::int64_t t, const HeadEntry& entry) {
    auto numbers_of = entries[t][set];
    std::int64_t i = 0;
    for (const std::int64_t place : entry.places) {
      numbers_of[i++] = static_cast<std::int32_t>(place);
    }
    i = table.places;
    for (const RowRun& run : entry.runs) {
      for (const std::int64_t number : {run.first, run.step, run.count}) {
        numbers_of[i++] = static_cast<std::int32_t>(number);
      }
    }
  });
  return table;
}

}  // namespace sparse_transformer
