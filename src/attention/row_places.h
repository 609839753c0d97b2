// Where the keys and values of each position are kept for sampling, and which of them a query
// reads. Pure geometry, a function of the position: memory and arithmetic are kv_cache.h's.
//
// Every piece of a head group keeps what it will be asked for and nothing else, in the order in
// which it will be read. A band that looks back L positions keeps the last L + 1 of them in a ring;
// one without a bound keeps all, or its first keys, column by column of its view; a shared list
// keeps its columns, packed. So a token costs as many keys as its pattern has, O(l + n/l) for
// strided, and those of most pieces lie in one run, or two of a ring.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "attention/pattern.h"

namespace sparse_transformer {

/// A head group of sequences of at most `length` positions.
struct GroupShape {
  std::int64_t length, first_head, heads;
  bool operator==(const GroupShape&) const = default;
};

/// The rows first, first + step, … of what a piece keeps for a head.
struct RowRun {
  std::int64_t first, step, count;
  bool operator==(const RowRun&) const = default;
};

// Of the pieces of a head group; `head` is counted within the group. Each of these classes has:
//
//   capacity()                  rows that it keeps for a head
//   append(store, rows, first)  copies the rows of the positions first, first + 1, …, [batch or 1,
//                               heads, count, width], to where they belong in `store`, [batch,
//                               heads, capacity, width]; one sequence is kept for all
//   place(t, head)              where the row of t belongs; nothing if it is not kept
//   add_runs(t, head, …)        the keys of t, once it and all before it are kept

/// What the two that keep the last positions of a sequence share: each position is in the row that
/// its number has modulo the capacity.
class RecentRows {
 public:
  std::int64_t capacity() const { return capacity_; }
  void append(const at::Tensor& store, const at::Tensor& rows, std::int64_t first) const;
  std::optional<std::int64_t> place(std::int64_t t, std::int64_t /*head*/) const { return row(t); }

  bool operator==(const RecentRows&) const = default;

 protected:
  RecentRows(std::int64_t look_back, const GroupShape& shape);
  /// The positions of a grid of width 1.
  void add_grid(const KeyGrid& grid, std::vector<RowRun>& runs) const;

 private:
  std::int64_t row(std::int64_t t) const { return t % capacity_; }

  std::int64_t capacity_;
};

/// A band whose look-back has a bound.
class WindowPlaces : public RecentRows {
 public:
  WindowPlaces(const Band& band, const GroupShape& shape);
  void add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const;

  bool operator==(const WindowPlaces&) const = default;

 private:
  Band band_;
};

/// A band whose look-back grows: whole columns of its view, or their first keys.
class ColumnPlaces {
 public:
  ColumnPlaces(const Band& band, const GroupShape& shape);
  std::int64_t capacity() const { return band_.view.inner * rows_; }
  void append(const at::Tensor& store, const at::Tensor& rows, std::int64_t first) const;
  std::optional<std::int64_t> place(std::int64_t t, std::int64_t head) const;
  void add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const;

  bool operator==(const ColumnPlaces&) const = default;

 private:
  Band band_;
  std::int64_t rows_;  // of each column
};

/// A shared list: the columns that each head offers, group after group.
class SharedPlaces {
 public:
  SharedPlaces(const Shared& shared, const GroupShape& shape);
  std::int64_t capacity() const { return capacity_; }
  void append(const at::Tensor& store, const at::Tensor& rows, std::int64_t first) const;
  std::optional<std::int64_t> place(std::int64_t t, std::int64_t head) const;
  void add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const;

  bool operator==(const SharedPlaces&) const = default;

 private:
  Shared shared_;
  GroupShape shape_;
  std::int64_t capacity_;
};

/// Listed blocks.
class BlocksPlaces : public RecentRows {
 public:
  BlocksPlaces(const Blocks& blocks, const GroupShape& shape);
  void add_runs(std::int64_t t, std::int64_t head, std::vector<RowRun>& runs) const;

  bool operator==(const BlocksPlaces&) const = default;

 private:
  Blocks blocks_;
  std::int64_t first_head_;
};

using PiecePlaces = std::variant<WindowPlaces, ColumnPlaces, SharedPlaces, BlocksPlaces>;

/// A piece among the rows of its head.
struct KeptPiece {
  PiecePlaces places;
  std::int64_t first_row, rows;
  bool operator==(const KeptPiece&) const = default;
};

/// The rows of a head group: head after head, each with its pieces' one after the other.
struct GroupPlaces {
  std::int64_t first_head, heads;
  std::int64_t distinct_heads;        // after which where rows lie repeats, from head to head
  std::int64_t first_row, head_rows;  // among the rows of the layer; of each head
  std::vector<KeptPiece> pieces;
  bool operator==(const GroupPlaces&) const = default;
};

/// The rows of a layer, group after group.
struct LayerPlaces {
  std::int64_t rows;
  std::vector<GroupPlaces> groups;
  bool operator==(const LayerPlaces&) const = default;
};

/// For sequences of at most `length` positions.
LayerPlaces layer_places(const LayerPattern& layer, std::int64_t length);

}  // namespace sparse_transformer
