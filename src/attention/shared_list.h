// Keys that many queries share, gathered into one list: each block of queries sees a beginning of
// it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "attention/pattern.h"
#include "attention/slice.h"

namespace sparse_transformer {

/// These queries see the first `keys` of the list.
struct SharedCall {
  Slice query;
  std::int64_t keys;
};

/// The keys and values that the heads of a group share, [batch, groups · width, heads, width of a
/// key], and their gradient.
class SharedList {
 public:
  /// `key` and `value` are [batch, n, heads, width].
  SharedList(const at::Tensor& key, const at::Tensor& value, const Shared& shared,
             const HeadGroup& group);

  std::vector<SharedCall> calls() const;
  at::Tensor key(const SharedCall& call) const { return part(key_, call); }
  at::Tensor value(const SharedCall& call) const { return part(value_, call); }

  /// The gradients of the keys and values of a call, in the type that sums need, to be added to.
  at::Tensor d_key(const SharedCall& call) { return part(gradients().d_key, call); }
  at::Tensor d_value(const SharedCall& call) { return part(gradients().d_value, call); }
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
  at::Tensor part(const at::Tensor& list, const SharedCall& call) const;

  Shared shared_;
  HeadRange heads_;
  SequenceShape shape_;
  std::int64_t groups_;  // that some query sees
  at::Tensor key_, value_;
  Gradients gradients_;
};

}  // namespace sparse_transformer
