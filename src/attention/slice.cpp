#include "attention/slice.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace sparse_transformer {
namespace {

/// Rows of queries against rows of keys, cut to those that meet; the mask counts from the cut.
struct Overlap {
  std::int64_t first_query, queries, first_key, keys;
  BandMask mask;
  bool is_empty() const { return queries <= 0 || keys <= 0; }
};

Overlap overlap(const Band& band, std::int64_t queries, std::int64_t keys) {
  const std::int64_t low = std::max(band.low, 1 - keys);
  const std::int64_t high = std::min(band.high, queries - 1);
  const std::int64_t first_query = std::max<std::int64_t>(0, low);
  const std::int64_t first_key = std::max<std::int64_t>(0, -high);
  Overlap result{.first_query = first_query,
                 .queries = std::min(queries, keys + high) - first_query,
                 .first_key = first_key,
                 .keys = std::min(keys, queries - low) - first_key,
                 .mask = {}};
  // i - j between the cut positions is i - j less the difference of where they start.
  const std::int64_t shift = first_query - first_key;
  if (high < queries - 1) result.mask.left = high - shift;
  if (low > 1 - keys) result.mask.right = shift - low;
  return result;
}

/// Collects the calls of a band.
class Calls {
 public:
  Calls(const SequenceShape& shape, HeadRange heads) : shape_(shape), heads_(heads) {}

  /// Segments of queries that begin at `query` against as many of keys that begin at `key`.
  struct Meeting {
    std::int64_t query, queries, key, keys;  // first position and rows of the first segment
    std::int64_t outer, outer_step, step, columns;
  };

  void add(const Band& band, const Meeting& meeting) {
    const Overlap cut = overlap(band, meeting.queries, meeting.keys);
    if (meeting.outer <= 0 || meeting.columns <= 0 || cut.is_empty()) return;
    Slice query{.start = meeting.query + cut.first_query * meeting.step,
                .outer = meeting.outer,
                .outer_step = meeting.outer_step,
                .length = cut.queries,
                .step = meeting.step,
                .columns = meeting.columns,
                .first_head = heads_.first,
                .heads = heads_.count,
                .first_sequence = 0,
                .sequences = shape_.batch};
    Slice key = query;
    key.start = meeting.key + cut.first_key * meeting.step;
    key.length = cut.keys;
    add_foldable({.query = query, .key = key, .mask = cut.mask});
  }

  std::vector<BandedCall> take() { return std::move(calls_); }

 private:
  /// What has no common stride cannot be folded into one dimension: segments of several sequences
  /// where some are left out, columns of some of the heads. Those become one call each.
  void add_foldable(const BandedCall& call) {
    const Slice& slice = call.query;
    const bool whole = slice.outer * slice.outer_step == shape_.n;
    const bool by_sequence = slice.outer > 1 && slice.sequences > 1 && !whole;
    const bool by_head = slice.columns > 1 && slice.heads < shape_.heads;
    const std::int64_t sequences = by_sequence ? slice.sequences : 1;
    const std::int64_t heads = by_head ? slice.heads : 1;
    for (std::int64_t s = 0; s < sequences; ++s) {
      for (std::int64_t h = 0; h < heads; ++h) {
        BandedCall part = call;
        for (Slice* side : {&part.query, &part.key}) {
          side->first_sequence += s;
          side->sequences /= sequences;
          side->first_head += h;
          side->heads /= heads;
        }
        calls_.push_back(part);
      }
    }
  }

  SequenceShape shape_;
  HeadRange heads_;
  std::vector<BandedCall> calls_;
};

/// Queries from `query` on against keys from `key` on, up to position n, in segments of the band's
/// view; the last segment may be short, and some of its columns one row shorter.
void add_segments(const Band& band, std::int64_t query, std::int64_t key, std::int64_t n,
                  Calls& calls) {
  const auto [length, inner, origin] = band.view;
  const std::int64_t segment = length * inner;
  const std::int64_t outer = (n - query) / segment;
  const std::int64_t back = band.shift * segment;
  calls.add(band, {.query = query + back,
                   .queries = length,
                   .key = key,
                   .keys = length,
                   .outer = outer - band.shift,
                   .outer_step = segment,
                   .step = inner,
                   .columns = inner});
  if (outer < band.shift) return;
  const std::int64_t last = query + outer * segment;
  const std::int64_t rows = (n - last) / inner;
  const std::int64_t rest = (n - last) % inner;
  const auto add_last = [&](std::int64_t column, std::int64_t columns, std::int64_t queries) {
    calls.add(band, {.query = last + column,
                     .queries = queries,
                     .key = key + outer * segment - back + column,
                     .keys = band.shift > 0 ? length : queries,
                     .outer = 1,
                     .outer_step = segment,
                     .step = inner,
                     .columns = columns});
  };
  add_last(0, rest, rows + 1);
  add_last(rest, inner - rest, rows);
}

/// A window [low, high] over the whole sequence, for kernels that have none: rows of its width,
/// queries `low` behind their keys.
void add_window_by_rows(const Band& band, std::int64_t n, Calls& calls) {
  const std::int64_t width = band.high - band.low + 1;
  const std::int64_t key = band.view.origin;
  const std::int64_t query = key + band.low * band.view.inner;
  if (query >= n) return;
  Band rows{.view = {width, band.view.inner, key}};
  add_segments(rows, query, key, n, calls);
  rows.shift = 1;
  rows.low = -kUnbounded;
  rows.high = -1;
  add_segments(rows, query, key, n, calls);
}

void add_whole(const Band& band, std::int64_t n, Calls& calls) {
  const std::int64_t inner = band.view.inner;
  const std::int64_t positions = n - band.view.origin;
  const std::int64_t rows = positions / inner;
  const std::int64_t rest = positions % inner;  // columns with one row more
  const auto add = [&](std::int64_t column, std::int64_t columns, std::int64_t queries) {
    calls.add(band, {.query = band.view.origin + column,
                     .queries = queries,
                     .key = band.view.origin + column,
                     .keys = std::min(queries, band.keys),
                     .outer = 1,
                     .outer_step = n,
                     .step = inner,
                     .columns = columns});
  };
  add(0, rest, rows + 1);
  add(rest, inner - rest, rows);
}

}  // namespace

at::Tensor unfolded(const at::Tensor& x, const Slice& slice) {
  const std::int64_t position = x.stride(1);
  return x.as_strided(
      {slice.sequences, slice.outer, slice.length, slice.columns, slice.heads, x.size(3)},
      {x.stride(0), slice.outer_step * position, slice.step * position, position,
       slice.head_step * x.stride(2), x.stride(3)},
      x.storage_offset() + slice.first_sequence * x.stride(0) + slice.start * position +
          slice.first_head * x.stride(2));
}

at::Tensor select(const at::Tensor& x, const Slice& slice) {
  return unfolded(x, slice).view(
      {slice.sequences * slice.outer, slice.length, slice.columns * slice.heads, x.size(3)});
}

std::vector<BandedCall> banded_calls(const Band& band, const SequenceShape& shape, HeadRange heads,
                                     bool windows) {
  Calls calls(shape, heads);
  const View& view = band.view;
  if (view.origin >= shape.n) return {};
  const bool is_window = band.high < (shape.n - view.origin - 1) / view.inner;
  if (!view.is_whole()) {
    add_segments(band, view.origin, view.origin, shape.n, calls);
  } else if (is_window && band.keys == kUnbounded && !windows) {
    add_window_by_rows(band, shape.n, calls);
  } else {
    add_whole(band, shape.n, calls);
  }
  return calls.take();
}

}  // namespace sparse_transformer
