// The keys and values of the positions so far, for sampling: attention of the newest position only.
//
// Every piece of a head group keeps what it will be asked for and nothing else. A band that looks
// back L positions keeps the last L + 1 of them, in a buffer of twice as many rows that moves to
// its front when it is full; an unbounded band keeps all; a summary keeps the columns that it
// offers. What a query sees is always a strided view of the buffer. So a token costs as many keys
// as its pattern has: O(l + n/l) for strided.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <variant>
#include <vector>

#include "attention/head_shape.h"
#include "attention/pattern.h"

namespace sparse_transformer {

/// The sequences that a cache is made for.
struct CacheShape {
  std::int64_t batch;
  std::int64_t length;  // the most positions that will be appended
};

/// Keys and values of one band of a head group. Rows are [batch, heads, count, query_width +
/// value_width], a key beside its value; a batch of 1 is kept for every sequence.
class BandCache {
 public:
  BandCache(const Band& band, const CacheShape& shape);
  /// Rows of the positions first, first + 1, …
  void append(const at::Tensor& rows, std::int64_t first);
  /// Rows of the keys of t, the newest position: a view.
  at::Tensor seen(std::int64_t t) const;
  std::int64_t bytes() const { return static_cast<std::int64_t>(store_.nbytes()); }

 private:
  Band band_;
  CacheShape shape_;
  std::int64_t look_back_;
  std::int64_t used_ = 0;  // rows of store_, the last of them the newest position
  at::Tensor store_;       // [batch, heads, capacity, query_width + value_width]
};

/// The same of a summary: the columns that each head offers, row after row.
class SummaryCache {
 public:
  SummaryCache(const Shared& shared, const CacheShape& shape, const HeadGroup& group);
  void append(const at::Tensor& rows, std::int64_t first);
  at::Tensor seen(std::int64_t t) const;
  std::int64_t bytes() const { return static_cast<std::int64_t>(store_.nbytes()); }

 private:
  Shared shared_;
  CacheShape shape_;
  std::int64_t first_head_;
  std::int64_t rows_;  // of the sequence, that some query sees
  at::Tensor store_;   // [batch, heads, rows · c, query_width + value_width]
};

/// The cache of all layers of a model. Not differentiable; not for use from several threads.
class KeyValueCache {
 public:
  /// Memory is taken with a layer's first positions, in their type and on their device.
  KeyValueCache(const std::vector<LayerPattern>& layers, const CacheShape& shape,
                const HeadShape& head);

  /// Keeps a layer's next positions, packed as in head_shape.h; a batch of 1 stands for every
  /// sequence.
  void append(std::int64_t layer, const at::Tensor& packed);

  /// Keeps a layer's next position and returns its attention, [batch, 1, heads, value_width]: the
  /// row of that position of sparse_attention() over the sequence so far. Computed in float32
  /// (float64 for float64). A head without any key yields 0. packed: one position.
  at::Tensor attend(std::int64_t layer, const at::Tensor& packed);

  /// Memory held by all layers.
  std::int64_t bytes() const;

 private:
  struct GroupCache {
    std::int64_t first_head, heads;
    std::vector<std::variant<BandCache, SummaryCache>> pieces;
  };
  struct LayerCache {
    std::int64_t positions = 0;  // so far
    std::vector<GroupCache> groups;
  };

  at::Tensor attend(const GroupCache& group, const at::Tensor& query, std::int64_t t) const;

  CacheShape shape_;
  HeadShape head_;
  std::vector<LayerCache> layers_;
};

}  // namespace sparse_transformer
