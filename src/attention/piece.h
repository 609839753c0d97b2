// Pieces: the geometry of sparse attention. A head's pattern is a union of disjoint pieces, and
// everything that needs to know who attends to whom asks a piece: kernels, masks in tests,
// drawings, counts of pairs, the KV cache.
//
// With the positions of a sequence seen as rows of l = 4 (paper §4.2-4.3), and the query marked q:
//
//     row        . . . .    column   . . x .    previous  x x x x    summary   . . x x   (c = 2)
//                . . . .             . . x .              x x x x              . . x x
//                x x q .             . . q .    (q's row) . . q .    (q's row) . . q .
//
// The first three and every window, segment and axis are bands, the last is a shared list of keys;
// what is neither is an explicit list of blocks (block_table.h).
//
// A piece never depends on how long the sequence is so far: position t has the same keys in every
// sequence.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "attention/block_table.h"

namespace sparse_transformer {

/// "No bound" for the band of a piece.
inline constexpr std::int64_t kUnbounded = std::numeric_limits<std::int64_t>::max() / 4;

/// Some keys of one query: positions first + a·step + b·width_step with 0 <= a < rows and
/// 0 <= b < width.
struct KeyGrid {
  std::int64_t first = 0, step = 1, rows = 0, width = 1, width_step = 1;
  std::int64_t count() const { return rows * width; }
};

/// The positions from `origin` on seen as [outer, length, inner], t = origin + (o·length + i)·inner
/// + c; attention runs along `length` at fixed c. length = kUnbounded: the whole sequence, outer
/// is 1. What lies before the origin is neither query nor key.
struct View {
  std::int64_t length = kUnbounded;
  std::int64_t inner = 1;
  std::int64_t origin = 0;
  bool is_whole() const { return length == kUnbounded; }
  bool operator==(const View&) const = default;
};

/// Query (o, i, c) attends to keys (o - shift, j, c) with low <= i - j <= high and j < keys.
/// shift = 0 asks for low >= 0 (causal); a bound on the keys for a whole sequence with inner = 1.
struct Band {
  View view = {};
  std::int64_t shift = 0;
  std::int64_t low = 0;
  std::int64_t high = kUnbounded;
  std::int64_t keys = kUnbounded;
  bool operator==(const Band&) const = default;
};

/// Groups of `width` keys, one every `period` positions: columns first(head), first(head) +
/// width_step, … of the period. All positions from `delay` after the period's beginning on see the
/// group. Head h is `rotate` columns before head h - 1, b = h mod blocks times (paper §4.3:
/// distinct sub-blocks a head).
struct Shared {
  std::int64_t period;
  std::int64_t width;  // c
  std::int64_t width_step = 1;
  std::int64_t first = 0;  // column of head 0
  std::int64_t rotate = 0;
  std::int64_t blocks = 1;  // sub-blocks that the heads rotate over
  /// Nothing: right after the head's last column.
  std::optional<std::int64_t> delay = std::nullopt;
  std::int64_t origin = 0;  // where the first period begins
  bool operator==(const Shared&) const = default;

  std::int64_t first_column(std::int64_t head) const { return first - rotate * (head % blocks); }
  std::int64_t delay_of(std::int64_t head) const {
    return delay.value_or(first_column(head) + (width - 1) * width_step + 1);
  }
  /// Groups that position t of the head sees; grows with t.
  std::int64_t groups(std::int64_t t, std::int64_t head) const;
};

class BlockPlans;  // block_attention.cpp

/// Room for what attention prepares of listed pairs for its devices, when it first needs it.
struct PreparedBlocks {
  std::once_flag made;
  std::shared_ptr<BlockPlans> plans;
};

/// Listed pairs of one head group.
struct Blocks {
  explicit Blocks(BlockTable its_table)
      : table(std::make_shared<const BlockTable>(std::move(its_table))),
        prepared(std::make_shared<PreparedBlocks>()) {}
  bool operator==(const Blocks&) const = default;

  std::shared_ptr<const BlockTable> table;
  std::shared_ptr<PreparedBlocks> prepared;
};

using Piece = std::variant<Band, Shared, Blocks>;

KeyGrid keys(const Band& band, std::int64_t t);
KeyGrid keys(const Shared& shared, std::int64_t t, std::int64_t head);

/// The keys of position t in head `head` (counted within the layer), each once. Every key is <= t.
std::vector<KeyGrid> keys(const Piece& piece, std::int64_t t, std::int64_t head);

/// Calls `visit` with every key of position t.
template <typename Visit>
void for_each_key(const Piece& piece, std::int64_t t, std::int64_t head, const Visit& visit) {
  for (const KeyGrid& grid : keys(piece, t, head)) {
    for (std::int64_t a = 0; a < grid.rows; ++a) {
      for (std::int64_t b = 0; b < grid.width; ++b) {
        visit(grid.first + a * grid.step + b * grid.width_step);
      }
    }
  }
}

std::int64_t count_keys(const Piece& piece, std::int64_t t, std::int64_t head);

/// The number of (query, key) pairs of a head among the first n positions, in closed form.
std::int64_t count_pairs(const Piece& piece, std::int64_t n, std::int64_t head);

/// Heads after which the keys repeat: head h has those of head h + distinct_heads.
std::int64_t distinct_heads(const Piece& piece);

/// A bound on t - key; nothing where it grows with t.
std::optional<std::int64_t> look_back(const Piece& piece);

/// What is left of a piece.
struct Remainder {
  std::vector<Piece> pieces;  // disjoint
  /// Whether these are all of it. Otherwise they are some of the pairs, and the others are no bands
  /// or lists.
  bool is_whole = true;
};

/// The pairs of `piece` that `taken` does not have.
Remainder remainder(const Piece& piece, const Piece& taken);

}  // namespace sparse_transformer
