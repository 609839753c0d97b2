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
                       const HeadGroup& group, Staircase staircase)
    : shared_(shared),
      heads_{group.first_head, group.heads},
      shape_{key.size(0), key.size(1), key.size(2)},
      staircase_(staircase),
      groups_(std::max(most_groups(shared, heads_, shape_.n), shape_.n / shared.period)) {
  key_ = gather(key);
  value_ = gather(value);
}

std::vector<SharedCall> SharedList::calls() const {
  std::vector<SharedCall> calls;
  for (const HeadSet& set : head_sets()) {
    if (staircase_ == Staircase::kSteps) {
      add_steps(set, calls);
    } else {
      add_rectangles(set, calls);
    }
  }
  return calls;
}

std::vector<SharedList::HeadSet> SharedList::head_sets() const {
  // Heads see a group at the same time, or else those of each sub-block at their own.
  const std::int64_t count = shared_.delay ? 1 : std::min(shared_.blocks, heads_.count);
  std::vector<HeadSet> sets;
  for (std::int64_t i = 0; i < count; ++i) {
    sets.push_back(
        {.head = heads_.first + i, .count = (heads_.count - i - 1) / count + 1, .step = count});
  }
  return sets;
}

SharedCall SharedList::empty_call(const HeadSet& set) const {
  const Slice query = {.first_head = set.head,
                       .heads = set.count,
                       .head_step = set.step,
                       .first_sequence = 0,
                       .sequences = shape_.batch};
  Slice key = query;
  key.first_head -= heads_.first;
  return {query, key};
}

void SharedList::add_steps(const HeadSet& set, std::vector<SharedCall>& calls) const {
  const std::int64_t first = shared_.origin + shared_.delay_of(set.head);
  for (std::int64_t start = first; start < shape_.n; start += shared_.period) {
    SharedCall call = empty_call(set);
    call.query.start = start;
    call.query.length = std::min(shared_.period, shape_.n - start);
    call.key.length = shared_.groups(start, set.head) * shared_.width;
    calls.push_back(call);
  }
}

void SharedList::add_rectangles(const HeadSet& set, std::vector<SharedCall>& calls) const {
  // Block r, from 1 on, begins here and sees r groups.
  const auto start = [&](std::int64_t r) {
    return shared_.origin + shared_.delay_of(set.head) + (r - 1) * shared_.period;
  };
  const std::int64_t whole_blocks = std::max<std::int64_t>(0, shape_.n - start(1)) / shared_.period;
  for (std::int64_t span = 1; start(span) < shape_.n; span *= 2) {
    SharedCall call = empty_call(set);
    call.query.start = start(span);
    call.query.length = std::min(span * shared_.period, shape_.n);
    call.query.outer = (whole_blocks + 1) / (2 * span);
    call.query.outer_step = 2 * call.query.length;
    call.key.length = span * shared_.width;
    call.key.outer = call.query.outer;
    call.key.outer_step = 2 * call.key.length;
    if (call.query.outer > 0) add(call, calls);

    SharedCall rest = call;  // the rectangle that the end of the sequence cuts
    rest.query.start += call.query.outer * call.query.outer_step;
    rest.query.length = std::min(call.query.length, shape_.n - rest.query.start);
    rest.key.start = call.key.outer * call.key.outer_step;
    rest.query.outer = rest.key.outer = 1;
    if (rest.query.length > 0) calls.push_back(rest);
  }
}

void SharedList::add(const SharedCall& call, std::vector<SharedCall>& calls) const {
  const std::int64_t outer = call.query.outer;
  const bool folds =
      shape_.batch == 1 || outer == 1 ||
      (outer * call.query.outer_step == shape_.n && outer * call.key.outer_step == key_.size(1));
  if (folds) return calls.push_back(call);
  for (std::int64_t sequence = 0; sequence < shape_.batch; ++sequence) {
    SharedCall one = call;
    one.query.first_sequence = one.key.first_sequence = sequence;
    one.query.sequences = one.key.sequences = 1;
    calls.push_back(one);
  }
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

}  // namespace sparse_transformer
