// Keys that many queries share, gathered into one list: each block of queries sees a beginning of
// it, one group more than the block before.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "attention/pattern.h"
#include "attention/slice.h"

namespace sparse_transformer {

/// How this staircase becomes calls in which every query sees every key.
enum class Staircase : std::uint8_t {
  /// A call a block, each query in one: what is cheapest where a call costs little.
  kSteps,
  /// log2 of the number of blocks, in which a query meets its keys in parts: with the bits of the
  /// block's number r, 2^j groups each. Blocks of r with bit j, from a multiple of 2^(j+1) on, see
  /// the 2^j groups from that multiple on.
  kRectangles
};

/// These queries see these keys, which are entries of the list.
struct SharedCall {
  Slice query, key;
};

/// The keys and values that the heads of a group share, [batch, entries, heads, width of a key],
/// and their gradient.
class SharedList {
 public:
  /// `key` and `value` are [batch, n, heads, width].
  SharedList(const at::Tensor& key, const at::Tensor& value, const Shared& shared,
             const HeadGroup& group, Staircase staircase);

  std::vector<SharedCall> calls() const;
  at::Tensor key(const SharedCall& call) const { return select(key_, call.key); }
  at::Tensor value(const SharedCall& call) const { return select(value_, call.key); }

  /// The gradients of the keys and values of a call, in the type that sums need, to be added to.
  at::Tensor d_key(const SharedCall& call) { return select(gradients().d_key, call.key); }
  at::Tensor d_value(const SharedCall& call) { return select(gradients().d_value, call.key); }
  /// Adds the collected gradients to those of the keys and values that the list was gathered from.
  void scatter_gradients(const at::Tensor& d_key, const at::Tensor& d_value) const;

 private:
  /// Calls `visit(positions, entries)` for each sub-block of columns: the keys of its heads in the
  /// sequence and in the list, [batch, groups, width, 1, heads, width of a key].
  template <typename Visit>
  void for_each_block(const at::Tensor& x, const at::Tensor& list, const Visit& visit) const;

  struct Gradients {
    at::Tensor d_key, d_value;
  };
  /// Zero at first.
  const Gradients& gradients();

  at::Tensor gather(const at::Tensor& x) const;
  void scatter(const at::Tensor& list, const at::Tensor& x) const;

  /// Heads that see a group at the same time: head, head + step, …
  struct HeadSet {
    std::int64_t head, count, step;
  };
  std::vector<HeadSet> head_sets() const;
  /// The heads of a call, without positions.
  SharedCall empty_call(const HeadSet& set) const;
  void add_steps(const HeadSet& set, std::vector<SharedCall>& calls) const;
  void add_rectangles(const HeadSet& set, std::vector<SharedCall>& calls) const;
  /// As one call, or as one a sequence where their positions cannot be folded.
  void add(const SharedCall& call, std::vector<SharedCall>& calls) const;

  Shared shared_;
  HeadRange heads_;
  SequenceShape shape_;
  Staircase staircase_;
  std::int64_t groups_;  // with room for one of every whole period, so that calls can be folded
  at::Tensor key_, value_;
  Gradients gradients_;
};

}  // namespace sparse_transformer
