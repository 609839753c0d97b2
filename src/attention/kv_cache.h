// The keys and values of the positions so far, for sampling: attention of the newest position only.
//
// Every piece of a head group keeps what it will be asked for and nothing else. A piece that looks
// back L positions keeps the last L + 1 of them, in a buffer of twice as many rows that moves to
// its front when it is full; an unbounded band keeps all, or its first keys; a shared list keeps
// its columns. What a query sees is a strided view of the buffer, or gathered where it is listed.
// So a token costs as many keys as its pattern has: O(l + n/l) for strided.
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

/// What the newest position of each head attends to.
struct SeenRows {
  at::Tensor rows;         // [batch, heads, count, query_width + value_width]
  at::Tensor hidden = {};  // bool [heads, 1, count]: seen by other heads only; undefined: none
};

/// The last positions of a sequence. Rows are [batch, heads, count, query_width + value_width], a
/// key beside its value; a batch of 1 is kept for every sequence.
class RecentRows {
 public:
  RecentRows(std::int64_t look_back, const CacheShape& shape)
      : shape_(shape), look_back_(look_back) {}
  /// Rows of the next positions.
  void append(const at::Tensor& rows);
  const at::Tensor& store() const { return store_; }
  /// Where position t - distance lies in store(), t being the newest.
  std::int64_t place(std::int64_t distance) const { return used_ - 1 - distance; }
  std::int64_t bytes() const { return static_cast<std::int64_t>(store_.nbytes()); }

 private:
  CacheShape shape_;
  std::int64_t look_back_;
  std::int64_t used_ = 0;  // rows of store_, the last of them the newest position
  at::Tensor store_;       // [batch, heads, capacity, query_width + value_width]
};

/// What one band of a head group asks for.
class BandCache {
 public:
  BandCache(const Band& band, const CacheShape& shape, const HeadGroup& group);
  /// Rows of the positions first, first + 1, …
  void append(const at::Tensor& rows, std::int64_t first);
  /// The keys of t, the newest position.
  SeenRows seen(std::int64_t t) const;
  std::int64_t bytes() const { return recent_.bytes(); }

 private:
  Band band_;
  RecentRows recent_;
};

/// The same of a band that sees the first keys from its origin on.
class PrefixCache {
 public:
  PrefixCache(const Band& band, const CacheShape& shape, const HeadGroup& group);
  void append(const at::Tensor& rows, std::int64_t first);
  SeenRows seen(std::int64_t t) const;
  std::int64_t bytes() const { return static_cast<std::int64_t>(store_.nbytes()); }

 private:
  Band band_;
  CacheShape shape_;
  std::int64_t kept_;  // rows, from the band's origin on
  at::Tensor store_;
};

/// The same of a shared list: the columns that each head offers, group after group.
class SharedCache {
 public:
  SharedCache(const Shared& shared, const CacheShape& shape, const HeadGroup& group);
  void append(const at::Tensor& rows, std::int64_t first);
  SeenRows seen(std::int64_t t) const;
  std::int64_t bytes() const { return static_cast<std::int64_t>(store_.nbytes()); }

 private:
  std::int64_t most_groups(std::int64_t t) const;
  /// Keeps the rows offset, offset + period, … for the heads set, set + blocks, …
  void keep(const at::Tensor& rows, std::int64_t first, std::int64_t offset, std::int64_t set);

  Shared shared_;
  CacheShape shape_;
  std::int64_t first_head_, heads_;
  std::int64_t groups_;  // of the sequence, that some query sees
  at::Tensor store_;     // [batch, heads, groups · width, query_width + value_width]
};

/// The same of listed blocks.
class BlocksCache {
 public:
  BlocksCache(const Blocks& blocks, const CacheShape& shape, const HeadGroup& group);
  void append(const at::Tensor& rows, std::int64_t first);
  SeenRows seen(std::int64_t t) const;
  std::int64_t bytes() const { return recent_.bytes(); }

 private:
  Blocks blocks_;
  std::int64_t first_head_, heads_;
  RecentRows recent_;
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
    std::vector<std::variant<BandCache, PrefixCache, SharedCache, BlocksCache>> pieces;
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
