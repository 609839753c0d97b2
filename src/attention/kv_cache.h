// The keys and values of the positions so far, for sampling: attention of the newest position only.
//
// Every piece of a head group keeps what it will be asked for and nothing else, in the order in
// which it will be read. A band that looks back L positions keeps the last L + 1 of them, in a
// buffer of twice as many rows that moves to its front when it is full; one without a bound keeps
// all, or its first keys, column by column of its view; a shared list keeps its columns, packed. So
// a token costs as many keys as its pattern has, O(l + n/l) for strided, and those of most pieces
// lie in one run.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "attention/head_shape.h"
#include "attention/kernels/kernels.h"
#include "attention/kernels/token.h"
#include "attention/pattern.h"

namespace sparse_transformer {

/// The sequences that a cache is made for.
struct CacheShape {
  std::int64_t batch;
  std::int64_t length;  // the most positions that will be appended
};

/// The same of one head group; a row is a key beside its value.
struct GroupShape {
  std::int64_t batch, length, first_head, heads, row_width;
};

/// The rows first, first + step, … of what a piece keeps for a head.
struct RowRun {
  std::int64_t first, step, count;
};

/// Memory of a piece, [batch, heads, capacity, row_width]. A batch of 1 that is written is kept for
/// every sequence.
class RowStore {
 public:
  RowStore(const GroupShape& shape, std::int64_t capacity) : shape_(shape), capacity_(capacity) {}
  /// Takes the memory, zeros, unless that has been done.
  void take(const at::TensorOptions& options);
  const at::Tensor& tensor() const { return store_; }
  std::int64_t capacity() const { return capacity_; }
  std::int64_t bytes() const { return static_cast<std::int64_t>(store_.nbytes()); }

 private:
  GroupShape shape_;
  std::int64_t capacity_;
  at::Tensor store_;
};

/// The last positions of a sequence.
class RecentRows {
 public:
  RecentRows(std::int64_t look_back, const GroupShape& shape)
      : most_(look_back + 1), store_(shape, std::min(shape.length, 2 * most_)) {}
  /// rows: [batch or 1, heads, count, row_width], of the next positions.
  void append(const at::Tensor& rows);
  /// Makes room for the rows of `count` further positions, at most as many as are kept.
  void make_room(std::int64_t count, const at::TensorOptions& options);
  const RowStore& store() const { return store_; }
  /// Where position t - distance lies, t being the newest.
  std::int64_t place(std::int64_t distance) const { return used_ - 1 - distance; }

 private:
  std::int64_t most_;      // rows that the newest position may ask for
  std::int64_t used_ = 0;  // the last of them the newest position
  RowStore store_;
};

// What the pieces of a head group keep. Each of these classes has:
//
//   append(rows, first)   keeps the positions first, first + 1, …; rows as of RecentRows
//   make_room(options)    makes room for the next position
//   place(t, head)        where the row of t, that position, belongs; nothing if it is not kept
//   add_runs(t, head, …)  the keys of t, the newest position
//
// where `head` is counted within the group.

/// A band whose look-back has a bound.
class WindowCache {
 public:
  WindowCache(const Band& band, const GroupShape& shape);
  void append(const at::Tensor& rows, std::int64_t /*first*/) { recent_.append(rows); }
  void make_room(const at::TensorOptions& options) { recent_.make_room(1, options); }
  std::optional<std::int64_t> place(std::int64_t t, std::int64_t head) const;
  void add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const;
  const RowStore& store() const { return recent_.store(); }

 private:
  Band band_;
  RecentRows recent_;
};

/// A band whose look-back grows: whole columns of its view, or their first keys.
class ColumnCache {
 public:
  ColumnCache(const Band& band, const GroupShape& shape);
  void append(const at::Tensor& rows, std::int64_t first);
  void make_room(const at::TensorOptions& options) { store_.take(options); }
  std::optional<std::int64_t> place(std::int64_t t, std::int64_t head) const;
  void add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const;
  const RowStore& store() const { return store_; }

 private:
  Band band_;
  std::int64_t rows_;  // of each column
  RowStore store_;
};

/// A shared list: the columns that each head offers, group after group.
class SharedCache {
 public:
  SharedCache(const Shared& shared, const GroupShape& shape);
  void append(const at::Tensor& rows, std::int64_t first);
  void make_room(const at::TensorOptions& options) { store_.take(options); }
  std::optional<std::int64_t> place(std::int64_t t, std::int64_t head) const;
  void add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const;
  const RowStore& store() const { return store_; }

 private:
  Shared shared_;
  GroupShape shape_;
  RowStore store_;
};

/// Listed blocks.
class BlocksCache {
 public:
  BlocksCache(const Blocks& blocks, const GroupShape& shape);
  void append(const at::Tensor& rows, std::int64_t /*first*/) { recent_.append(rows); }
  void make_room(const at::TensorOptions& options) { recent_.make_room(1, options); }
  std::optional<std::int64_t> place(std::int64_t t, std::int64_t head) const;
  void add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const;
  const RowStore& store() const { return recent_.store(); }

 private:
  Blocks blocks_;
  std::int64_t first_head_;
  RecentRows recent_;
};

/// The cache of all layers of a model. Not differentiable; not for use from several threads.
class KeyValueCache {
 public:
  /// Memory is taken with a layer's first positions, in their type and on their device.
  KeyValueCache(const std::vector<LayerPattern>& layers, const CacheShape& shape,
                const HeadShape& head, Kernels kernels = Kernels::kFused);

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
  using PieceCache = std::variant<WindowCache, ColumnCache, SharedCache, BlocksCache>;
  struct GroupCache {
    std::int64_t first_head, heads;
    std::vector<PieceCache> pieces;
  };
  struct LayerCache {
    std::int64_t positions = 0;  // so far
    std::vector<GroupCache> groups;
  };

  /// Where a head keeps its newest row: in the first sequence, and from one to the next.
  template <typename T>
  struct Kept {
    T* row;
    std::int64_t sequence_stride;
  };
  /// What a head does with the newest position.
  template <typename T>
  struct HeadWork {
    std::vector<Kept<T>> kept;
    std::vector<CachedRun<T>> seen;
  };

  static PieceCache make_piece(const Piece& piece, const GroupShape& shape);
  void check_room(const LayerCache& cache, std::int64_t positions) const;
  at::Tensor attend_plain(const GroupCache& group, const at::Tensor& query, std::int64_t t) const;
  /// By the kernels of kernels/token.h, on the CPU, in T.
  template <typename T>
  at::Tensor attend_fused(LayerCache& cache, const at::Tensor& packed) const;
  /// Makes room for the next position. One entry a head.
  template <typename T>
  std::vector<HeadWork<T>> plan(LayerCache& cache, const at::TensorOptions& options) const;

  CacheShape shape_;
  HeadShape head_;
  Kernels kernels_;
  std::vector<LayerCache> layers_;
};

}  // namespace sparse_transformer
