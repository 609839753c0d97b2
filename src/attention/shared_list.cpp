#include "attention/shared_list.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace sparse_transformer {
namespace {

std::int64_t most_groups(const Shared& shared, const HeadRange& heads, std::int64_t n) {
  std::int64_t most = 0;
  for (std::int64_t head = heads.first; head < heads.first + heads.count; ++head) {
    most = std::max(most, shared.groups(n - 1, head));
  }
  return most;
}

}  // namespace

SharedList::SharedList(const at::Tensor& key, const at::Tensor& value, const Shared& shared,
                       const HeadGroup& group)
    : shared_(shared),
      heads_{group.first_head, group.heads},
      shape_{key.size(0), key.size(1), key.size(2)},
      groups_(most_groups(shared, heads_, shape_.n)) {
  key_ = gather(key);
  value_ = gather(value);
}

std::vector<SharedCall> SharedList::calls() const {
  std::vector<SharedCall> calls;
  // Heads see a group at the same time, or else those of each sub-block at their own.
  const std::int64_t sets = shared_.delay ? 1 : std::min(shared_.blocks, heads_.count);
  for (std::int64_t set = 0; set < sets; ++set) {
    const std::int64_t head = heads_.first + set;
    const std::int64_t first = shared_.origin + shared_.delay_of(head);
    for (std::int64_t start = first; start < shape_.n; start += shared_.period) {
      calls.push_back({.query = {.start = start,
                                 .length = std::min(shared_.period, shape_.n - start),
                                 .first_head = head,
                                 .heads = (heads_.count - set - 1) / sets + 1,
                                 .head_step = sets,
                                 .first_sequence = 0,
                                 .sequences = shape_.batch},
                       .keys = shared_.groups(start, head) * shared_.width});
    }
  }
  return calls;
}

const SharedList::Gradients& SharedList::gradients() {
  if (!gradients_.d_key.defined()) {
    // Every later query adds to the same keys: too many sums for half precision.
    const auto type = key_.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    gradients_.d_key = at::zeros(key_.sizes(), key_.options().dtype(type));
    gradients_.d_value = at::zeros(value_.sizes(), value_.options().dtype(type));
  }
  return gradients_;
}

void SharedList::scatter_gradients(const at::Tensor& d_key, const at::Tensor& d_value) const {
  if (!gradients_.d_key.defined()) return;
  scatter(gradients_.d_key, d_key);
  scatter(gradients_.d_value, d_value);
}

template <typename Visit>
void SharedList::for_each_block(const at::Tensor& x, const at::Tensor& list,
                                const Visit& visit) const {
  const std::int64_t blocks = std::min(shared_.blocks, heads_.count);
  for (std::int64_t b = 0; b < blocks; ++b) {
    // Heads b, b + blocks, b + 2·blocks … take the same sub-block.
    const std::int64_t head = heads_.first + b;
    Slice positions{.start = shared_.origin + shared_.first_column(head),
                    .outer = shared_.groups(shape_.n - 1, head),
                    .outer_step = shared_.period,
                    .length = shared_.width,
                    .step = shared_.width_step,
                    .first_head = head,
                    .heads = (heads_.count - b - 1) / blocks + 1,
                    .head_step = blocks,
                    .first_sequence = 0,
                    .sequences = shape_.batch};
    Slice entries = positions;
    entries.start = 0;
    entries.outer_step = shared_.width;
    entries.step = 1;
    entries.first_head = b;
    visit(unfolded(x, positions), unfolded(list, entries));
  }
}

at::Tensor SharedList::gather(const at::Tensor& x) const {
  at::Tensor list =
      at::empty({x.size(0), groups_ * shared_.width, heads_.count, x.size(3)}, x.options());
  for_each_block(x, list, [](const at::Tensor& from, const at::Tensor& to) { to.copy_(from); });
  return list;
}

void SharedList::scatter(const at::Tensor& list, const at::Tensor& x) const {
  for_each_block(x, list, [](const at::Tensor& to, const at::Tensor& from) { to.add_(from); });
}

at::Tensor SharedList::part(const at::Tensor& list, const SharedCall& call) const {
  return list.narrow(1, 0, call.keys)
      .slice(2, call.query.first_head - heads_.first, heads_.count, call.query.head_step);
}

}  // namespace sparse_transformer
