// Summary attention: the columns that every earlier row offers, gathered into one list of keys that
// all rows share.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "attention/pattern.h"
#include "attention/slice.h"

namespace sparse_transformer {

/// These queries see the keys [first_key, first_key + keys) of the list.
struct SummaryCall {
  Slice query;
  std::int64_t first_key, keys;
  std::int64_t first_sequence, sequences;
};

std::vector<SummaryCall> summary_calls(const Shared& shared, const SequenceShape& shape,
                                       const HeadGroup& group);

/// The list of keys and values of a head group, [batch, rows · c, heads, width], and its gradient.
class SummaryKeys {
 public:
  /// `key` and `value` are [batch, n, heads, width].
  SummaryKeys(const at::Tensor& key, const at::Tensor& value, const Shared& shared,
              const HeadGroup& group);

  at::Tensor key(const SummaryCall& call) const;
  at::Tensor value(const SummaryCall& call) const;

  void add_gradients(const SummaryCall& call, const BandedGradients& gradients);
  /// Adds the collected gradients to those of the keys and values that the list was gathered from.
  void scatter_gradients(const at::Tensor& d_key, const at::Tensor& d_value) const;

 private:
  at::Tensor gather(const at::Tensor& x) const;
  void scatter(const at::Tensor& list, const at::Tensor& x) const;

  Shared shared_;
  std::int64_t first_head_, heads_;
  at::Tensor key_, value_, d_key_, d_value_;
};

}  // namespace sparse_transformer
