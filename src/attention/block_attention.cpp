#include "attention/block_attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace sparse_transformer {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

at::ScalarType accumulation_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// How a group's positions lie in blocks.
struct BlockShape {
  BlockShape(const at::Tensor& x, const BlockTable& table)
      : BlockShape(x.size(0), x.size(1), x.size(2), table.block()) {}
  BlockShape(std::int64_t its_batch, std::int64_t its_n, std::int64_t its_heads,
             std::int64_t its_block)
      : batch(its_batch),
        n(its_n),
        heads(its_heads),
        block(its_block),
        count((n + block - 1) / block) {}

  /// [batch, n, heads, width] → [batch, count · heads, block, width], filled up with `padding`.
  at::Tensor blocked(const at::Tensor& x, double padding = 0.0) const {
    const at::Tensor whole = at::constant_pad_nd(x.to(accumulation_type(x)),
                                                 {0, 0, 0, 0, 0, count * block - n}, padding);
    return whole.unflatten(1, {count, block}).transpose(2, 3).flatten(1, 2).contiguous();
  }
  at::Tensor unblocked(const at::Tensor& x) const {
    return x.unflatten(1, {count, heads}).transpose(2, 3).flatten(1, 2).narrow(1, 0, n);
  }

  std::int64_t batch, n, heads, block, count;
};

/// Some blocks of one side, and for each as many of the other side, gathered.
struct Gathered {
  at::Tensor own;     // [rows], which of the count · heads blocks
  at::Tensor others;  // [rows · most]
  at::Tensor masks;   // [rows · most], numbers of masks
  std::int64_t rows, most;

  at::Tensor own_of(const at::Tensor& x) const { return x.index_select(1, own); }
  /// [batch, rows, most · block, width]
  at::Tensor others_of(const at::Tensor& x) const {
    return x.index_select(1, others).unflatten(1, {rows, most}).flatten(2, 3);
  }
};

/// Everything that one side has to meet, in products of bounded size.
class Plan {
 public:
  Plan(const BlockTable& table, const BlockShape& shape, std::int64_t first_head, bool by_key)
      : shape_(shape) {
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      const auto& list =
          by_key ? table.by_key(first_head + head) : table.by_query(first_head + head);
      for (std::int64_t b = 0; b < std::min(shape.count, table.blocks()); ++b) {
        const auto* begin = list.entries.data() + list.offsets[static_cast<std::size_t>(b)];
        const auto* end = list.entries.data() + list.offsets[static_cast<std::size_t>(b) + 1];
        // A table may be longer than the sequence; what lies behind it comes last.
        end = std::find_if(begin, end, [&](const auto& e) { return e.block >= shape.count; });
        if (begin != end) rows_.push_back({b * shape.heads + head, head, begin, end - begin});
      }
    }
    std::stable_sort(rows_.begin(), rows_.end(),
                     [](const Row& a, const Row& b) { return a.count > b.count; });
  }

  std::vector<Gathered> products(c10::Device device) const {
    std::vector<Gathered> result;
    for (std::size_t begin = 0; begin < rows_.size(); begin = end_of_product(begin)) {
      result.push_back(gather(begin, end_of_product(begin), device));
    }
    return result;
  }

  /// Numbers of the largest product's temporaries: scores and their gradients with a mask of bytes,
  /// and for each of the gathered positions as many numbers as `width`.
  std::int64_t largest_product(std::int64_t width) const {
    std::int64_t largest = 0;
    for (std::size_t begin = 0; begin < rows_.size(); begin = end_of_product(begin)) {
      const auto rows = static_cast<std::int64_t>(end_of_product(begin) - begin);
      const std::int64_t gathered = shape_.batch * rows * rows_[begin].count * shape_.block;
      largest = std::max(largest, gathered * (2 * shape_.block + width) + gathered / 4);
    }
    return largest;
  }

 private:
  std::size_t end_of_product(std::size_t begin) const {
    const std::int64_t scores = shape_.batch * shape_.block * shape_.block * rows_[begin].count;
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(1, kBlockScores / scores));
    return std::min(rows_.size(), begin + most);
  }

  struct Row {
    std::int64_t own, head;
    const BlockTable::Entry* first;
    std::int64_t count;
  };

  /// Rows with fewer blocks than the first are filled up with ones that the mask hides.
  Gathered gather(std::size_t begin, std::size_t end, c10::Device device) const {
    const auto rows = static_cast<std::int64_t>(end - begin);
    const std::int64_t most = rows_[begin].count;
    const at::Tensor own = at::empty({rows}, at::kLong);
    const at::Tensor others = at::zeros({rows * most}, at::kLong);
    const at::Tensor masks = at::full({rows * most}, BlockTable::kNone, at::kLong);
    for (std::int64_t r = 0; r < rows; ++r) {
      const Row& row = rows_[begin + static_cast<std::size_t>(r)];
      own.data_ptr<std::int64_t>()[r] = row.own;
      for (std::int64_t e = 0; e < row.count; ++e) {
        others.data_ptr<std::int64_t>()[r * most + e] =
            row.first[e].block * shape_.heads + row.head;
        masks.data_ptr<std::int64_t>()[r * most + e] = row.first[e].mask;
      }
    }
    return {own.to(device), others.to(device), masks.to(device), rows, most};
  }

  BlockShape shape_;
  std::vector<Row> rows_;
};

/// The masks as they hide: true where there is no pair, [masks, queries, keys].
at::Tensor hidden_pairs(const BlockTable& table, c10::Device device) {
  const auto count =
      static_cast<std::int64_t>(table.masks().size()) / table.block() / table.block();
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): only read
  auto* data = const_cast<std::uint8_t*>(table.masks().data());
  return at::from_blob(data, {count, table.block(), table.block()}, at::kByte).eq(0).to(device);
}

/// What both passes over tensors of one shape look up, on their device.
struct DevicePlan {
  at::Tensor hidden;
  std::vector<Gathered> by_query, by_key;
};

/// Scores of `own` against `others`, -inf where there is no pair: [batch, rows, block, most ·
/// block].
at::Tensor masked_scores(const at::Tensor& own, const at::Tensor& others, const at::Tensor& hidden,
                         const Gathered& part, double scale) {
  const at::Tensor hides = hidden.index_select(0, part.masks)
                               .unflatten(0, {part.rows, part.most})
                               .transpose(1, 2)
                               .flatten(2, 3);
  return at::matmul(own, others.transpose(2, 3)).mul_(scale).masked_fill_(hides, -kInfinity);
}

}  // namespace

/// One plan for each shape and device, never given back: what is recorded as a CUDA graph goes on
/// reading it.
class BlockPlans {
 public:
  const DevicePlan& of(const BlockTable& table, const at::Tensor& x, std::int64_t first_head) {
    const c10::Device device = x.device();
    const Key key = {static_cast<std::int64_t>(device.type()),
                     device.index(),
                     x.size(0),
                     x.size(1),
                     x.size(2),
                     first_head};
    const std::scoped_lock lock(mutex_);
    const auto found = plans_.find(key);
    if (found != plans_.end()) return found->second;
    const BlockShape shape(x, table);
    const auto side = [&](bool by_key) {
      return Plan(table, shape, first_head, by_key).products(device);
    };
    return plans_[key] = {hidden_pairs(table, device), side(false), side(true)};
  }

 private:
  using Key = std::array<std::int64_t, 6>;

  std::mutex mutex_;
  std::map<Key, DevicePlan> plans_;
};

namespace {

const DevicePlan& plan_of(const Blocks& blocks, const at::Tensor& query, std::int64_t first_head) {
  PreparedBlocks& prepared = *blocks.prepared;
  std::call_once(prepared.made, [&] { prepared.plans = std::make_shared<BlockPlans>(); });
  return prepared.plans->of(*blocks.table, query, first_head);
}

}  // namespace

BandedOutput blocks_forward(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const Blocks& blocks, std::int64_t first_head, double scale) {
  const BlockShape shape(query, *blocks.table);
  const DevicePlan& plan = plan_of(blocks, query, first_head);
  const at::Tensor q = shape.blocked(query);
  const at::Tensor k = shape.blocked(key);
  const at::Tensor v = shape.blocked(value);
  at::Tensor out = at::zeros({q.size(0), q.size(1), shape.block, v.size(3)}, q.options());
  at::Tensor lse = at::full({q.size(0), q.size(1), shape.block, 1}, -kInfinity, q.options());
  for (const Gathered& part : plan.by_query) {
    at::Tensor scores = masked_scores(part.own_of(q), part.others_of(k), plan.hidden, part, scale);
    const at::Tensor some_lse = at::logsumexp(scores, -1, /*keepdim=*/true);
    // A query without any key: exp(-inf - 0) is 0 where exp(-inf + inf) is no number.
    const at::Tensor finite = some_lse.masked_fill(some_lse.eq(-kInfinity), 0.0);
    out.index_copy_(1, part.own, at::matmul(scores.sub_(finite).exp_(), part.others_of(v)));
    lse.index_copy_(1, part.own, some_lse);
  }
  return {shape.unblocked(out), shape.unblocked(lse).squeeze(3)};
}

BandedGradients blocks_backward(const at::Tensor& d_out, const at::Tensor& query,
                                const at::Tensor& key, const at::Tensor& value,
                                const at::Tensor& out, const at::Tensor& lse, const Blocks& blocks,
                                std::int64_t first_head, double scale) {
  const BlockShape shape(query, *blocks.table);
  const DevicePlan& plan = plan_of(blocks, query, first_head);
  const at::Tensor q = shape.blocked(query);
  const at::Tensor k = shape.blocked(key);
  const at::Tensor v = shape.blocked(value);
  const at::Tensor d_o = shape.blocked(d_out);
  const at::Tensor delta = (d_o * shape.blocked(out)).sum(-1, /*keepdim=*/true);
  const at::Tensor cancelled = shape.blocked(lse.unsqueeze(3), kInfinity);
  at::Tensor d_query = at::zeros_like(q);
  at::Tensor d_key = at::zeros_like(k);
  at::Tensor d_value = at::zeros_like(v);

  for (const Gathered& part : plan.by_query) {
    const at::Tensor keys = part.others_of(k);
    at::Tensor p = masked_scores(part.own_of(q), keys, plan.hidden, part, scale);
    p.sub_(part.own_of(cancelled)).exp_();
    at::Tensor d_p = at::matmul(part.own_of(d_o), part.others_of(v).transpose(2, 3));
    const at::Tensor d_s = d_p.sub_(part.own_of(delta)).mul_(p).mul_(scale);
    d_query.index_copy_(1, part.own, at::matmul(d_s, keys));
  }

  const at::Tensor hidden_from_keys = plan.hidden.transpose(1, 2);
  for (const Gathered& part : plan.by_key) {
    const at::Tensor queries = part.others_of(q);
    const at::Tensor d_outs = part.others_of(d_o);
    at::Tensor p = masked_scores(part.own_of(k), queries, hidden_from_keys, part, scale);
    p.sub_(part.others_of(cancelled).transpose(2, 3)).exp_();
    d_value.index_copy_(1, part.own, at::matmul(p, d_outs));
    at::Tensor d_p = at::matmul(part.own_of(v), d_outs.transpose(2, 3));
    const at::Tensor d_s = d_p.sub_(part.others_of(delta).transpose(2, 3)).mul_(p).mul_(scale);
    d_key.index_copy_(1, part.own, at::matmul(d_s, queries));
  }
  return {shape.unblocked(d_query), shape.unblocked(d_key), shape.unblocked(d_value)};
}

std::int64_t blocks_backward_numbers(const BlockTable& table, const BlocksSize& size) {
  const BlockShape shape(size.batch, size.n, size.heads, table.block());
  const std::int64_t positions = shape.batch * shape.count * shape.block * shape.heads;
  const std::int64_t inputs = positions * 2 * (size.query_width + size.value_width + 1);
  const std::int64_t gradients = positions * (2 * size.query_width + size.value_width);
  std::int64_t product = 0;
  for (const bool by_key : {false, true}) {
    const Plan plan(table, shape, size.first_head, by_key);
    product = std::max(product, plan.largest_product(size.query_width + size.value_width + 2));
  }
  // In the end the gradients are there in blocks and in the order of the sequence.
  return inputs + gradients + std::max(product, gradients);
}

}  // namespace sparse_transformer
