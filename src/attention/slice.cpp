#include "attention/slice.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace sparse_transformer {
namespace {

/// Queries and keys of two segments of `length` cut to those that meet; the mask counts from the
/// cut.
struct Overlap {
  std::int64_t first_query, queries, first_key, keys;
  BandMask mask;
};

Overlap overlap(const Band& band, std::int64_t length) {
  const std::int64_t low = std::max(band.low, 1 - length);
  const std::int64_t high = std::min(band.high, length - 1);
  const std::int64_t first_query = std::max<std::int64_t>(0, low);
  const std::int64_t first_key = std::max<std::int64_t>(0, -high);
  Overlap result{.first_query = first_query,
                 .queries = std::min(length, length + high) - first_query,
                 .first_key = first_key,
                 .keys = std::min(length, length - low) - first_key,
                 .mask = {}};
  // i - j between the cut positions is i - j less the difference of where they start.
  const std::int64_t shift = first_query - first_key;
  if (high < length - 1) result.mask.left = high - shift;
  if (low > 1 - length) result.mask.right = shift - low;
  return result;
}

}  // namespace

at::Tensor select(const at::Tensor& x, const Slice& slice) {
  const std::int64_t inner = slice.view.inner;
  const std::int64_t along =
      slice.view.length == kUnbounded ? x.size(1) / inner : slice.view.length;
  at::Tensor y = x.narrow(0, slice.first_sequence, slice.sequences)
                     .narrow(2, slice.first_head, slice.heads)
                     .unflatten(1, {x.size(1) / inner / along, along, inner})
                     .narrow(1, slice.first_outer, slice.outer)
                     .narrow(2, slice.first, slice.length);
  return y.view({slice.sequences * slice.outer, slice.length, inner * slice.heads, x.size(3)});
}

std::vector<BandedCall> banded_calls(const Band& band, const SequenceShape& shape,
                                     std::int64_t first_head, std::int64_t heads, bool windows) {
  const auto [batch, n, all_heads] = shape;
  const bool whole = band.view.length == kUnbounded;
  const std::int64_t inner = band.view.inner;
  const std::int64_t length = whole ? n / inner : band.view.length;
  if (band.view == View{} && !windows && band.low == 0 && band.high + 1 < length) {
    std::vector<BandedCall> calls;
    for (const Piece& part : by_rows(band, band.high + 1)) {
      const auto some = banded_calls(std::get<Band>(part), shape, first_head, heads, windows);
      calls.insert(calls.end(), some.begin(), some.end());
    }
    return calls;
  }
  const std::int64_t outer = whole ? 1 : n / (length * inner);
  const Overlap cut = overlap(band, length);
  if (outer <= band.shift || cut.queries <= 0 || cut.keys <= 0) return {};

  const Slice query{.view = band.view,
                    .first_head = first_head,
                    .heads = heads,
                    .first_outer = band.shift,
                    .outer = outer - band.shift,
                    .first = cut.first_query,
                    .length = cut.queries,
                    .first_sequence = 0,
                    .sequences = batch};
  std::vector<BandedCall> calls = {{.query = query, .key = query, .mask = cut.mask}};
  calls[0].key.first_outer = 0;
  calls[0].key.first = cut.first_key;
  calls[0].key.length = cut.keys;

  // What has no common stride cannot be folded into one dimension: segments of several sequences
  // where some are left out, columns of some of the heads. Those become one call each.
  const auto split = [&calls](std::int64_t parts, auto&& narrow) {
    std::vector<BandedCall> single;
    for (const BandedCall& call : calls) {
      for (std::int64_t part = 0; part < parts; ++part) {
        single.push_back(call);
        narrow(single.back().query, part);
        narrow(single.back().key, part);
      }
    }
    calls = std::move(single);
  };
  if (band.shift > 0 && outer - band.shift > 1 && batch > 1) {
    split(batch, [](Slice& slice, std::int64_t part) {
      slice.first_sequence = part;
      slice.sequences = 1;
    });
  }
  if (inner > 1 && heads < all_heads) {
    split(heads, [](Slice& slice, std::int64_t part) {
      slice.first_head += part;
      slice.heads = 1;
    });
  }
  return calls;
}

}  // namespace sparse_transformer
