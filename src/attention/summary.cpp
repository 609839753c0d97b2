#include "attention/summary.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace sparse_transformer {
namespace {

at::Tensor part(const at::Tensor& list, const SummaryCall& call) {
  return list.narrow(0, call.first_sequence, call.sequences).narrow(1, call.first_key, call.keys);
}

/// Calls `visit(columns, heads)` for each sub-block: the columns [batch, rows, c, some heads,
/// width] of `x` and the same heads of `list` [batch, rows, c, some heads, width].
template <typename Visit>
void for_each_block(const at::Tensor& x, const at::Tensor& list, const Shared& shared,
                    std::int64_t first_head, std::int64_t heads, const Visit& visit) {
  const std::int64_t rows = x.size(1) / shared.stride;
  const at::Tensor by_row = x.narrow(2, first_head, heads).unflatten(1, {rows, shared.stride});
  const at::Tensor list_by_row = list.unflatten(1, {rows, shared.width});
  for (std::int64_t h = 0; h < std::min(shared.blocks, heads); ++h) {
    // Heads h, h + blocks, h + 2·blocks … take the same sub-block.
    visit(by_row.narrow(2, shared.first_column(first_head + h), shared.width)
              .slice(3, h, heads, shared.blocks),
          list_by_row.slice(3, h, heads, shared.blocks));
  }
}

}  // namespace

std::vector<SummaryCall> summary_calls(const Shared& shared, const SequenceShape& shape,
                                       const HeadGroup& group) {
  std::vector<SummaryCall> calls;
  const std::int64_t rows = shape.n / shared.stride;
  for (std::int64_t row = shared.distance; row < rows; ++row) {
    calls.push_back({.query = {.view = {shared.stride, 1},
                               .first_head = group.first_head,
                               .heads = group.heads,
                               .first_outer = row,
                               .outer = 1,
                               .first = 0,
                               .length = shared.stride,
                               .first_sequence = 0,
                               .sequences = shape.batch},
                     .first_key = 0,
                     .keys = (row - shared.distance + 1) * shared.width,
                     .first_sequence = 0,
                     .sequences = shape.batch});
  }
  return calls;
}

SummaryKeys::SummaryKeys(const at::Tensor& key, const at::Tensor& value, const Shared& shared,
                         const HeadGroup& group)
    : shared_(shared), first_head_(group.first_head), heads_(group.heads) {
  key_ = gather(key);
  value_ = gather(value);
}

at::Tensor SummaryKeys::key(const SummaryCall& call) const { return part(key_, call); }

at::Tensor SummaryKeys::value(const SummaryCall& call) const { return part(value_, call); }

void SummaryKeys::add_gradients(const SummaryCall& call, const BandedGradients& gradients) {
  if (!d_key_.defined()) {
    // Every later row adds to the same keys: too many sums for half precision.
    const auto type = key_.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    d_key_ = at::zeros(key_.sizes(), key_.options().dtype(type));
    d_value_ = at::zeros(value_.sizes(), value_.options().dtype(type));
  }
  part(d_key_, call).add_(gradients.d_key);
  part(d_value_, call).add_(gradients.d_value);
}

void SummaryKeys::scatter_gradients(const at::Tensor& d_key, const at::Tensor& d_value) const {
  if (!d_key_.defined()) return;
  scatter(d_key_, d_key);
  scatter(d_value_, d_value);
}

at::Tensor SummaryKeys::gather(const at::Tensor& x) const {
  const std::int64_t rows = x.size(1) / shared_.stride;
  at::Tensor list = at::empty({x.size(0), rows * shared_.width, heads_, x.size(3)}, x.options());
  for_each_block(x, list, shared_, first_head_, heads_,
                 [](const at::Tensor& from, const at::Tensor& to) { to.copy_(from); });
  return list;
}

void SummaryKeys::scatter(const at::Tensor& list, const at::Tensor& x) const {
  for_each_block(x, list, shared_, first_head_, heads_,
                 [](const at::Tensor& to, const at::Tensor& from) { to.add_(from); });
}

}  // namespace sparse_transformer
