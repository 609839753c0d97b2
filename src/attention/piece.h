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
// A piece never depends on how long the sequence is so far: position t has the same keys in every
// sequence.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sparse_transformer {

/// "No bound" for the band of a piece.
inline constexpr std::int64_t kUnbounded = std::numeric_limits<std::int64_t>::max() / 4;

/// The keys of one query: positions first + a·step + b with 0 <= a < rows and 0 <= b < width.
struct KeyGrid {
  std::int64_t first = 0, step = 1, rows = 0, width = 1;
  std::int64_t count() const { return rows * width; }
};

/// Positions seen as [outer, length, inner], t = (o·length + i)·inner + c; attention runs along
/// `length` at fixed c. length = kUnbounded: the whole sequence, outer is 1.
struct View {
  std::int64_t length = kUnbounded;
  std::int64_t inner = 1;
  bool operator==(const View&) const = default;
};

/// Query (o, i, c) attends to keys (o - shift, j, c) with low <= i - j <= high. shift = 0 asks for
/// low >= 0 (causal).
struct Band {
  View view = {};
  std::int64_t shift = 0;
  std::int64_t low = 0;
  std::int64_t high = kUnbounded;
  bool operator==(const Band&) const = default;
};

/// Every query of row r attends to `width` columns of the rows 0 … r - distance. Head h takes the
/// sub-block of columns that ends l - width·b before the row's end, b = h mod blocks (paper §4.3:
/// distinct sub-blocks a head).
struct Shared {
  std::int64_t stride;  // l
  std::int64_t width;   // c
  std::int64_t blocks;  // sub-blocks that the heads rotate over
  std::int64_t distance = 1;
  bool operator==(const Shared&) const = default;

  std::int64_t first_column(std::int64_t head) const {
    return stride - width * (head % blocks + 1);
  }
};

using Piece = std::variant<Band, Shared>;

/// The keys of position t in head `head` (counted within the layer). Every key is <= t.
KeyGrid keys(const Piece& piece, std::int64_t t, std::int64_t head);

/// The number of (query, key) pairs among the first n positions, in closed form. The same for every
/// head.
std::int64_t count_pairs(const Piece& piece, std::int64_t n);

/// The largest t - key that occurs; nothing where it grows with t.
std::optional<std::int64_t> look_back(const Piece& piece);

/// The pairs of `piece` that `taken` does not have, as disjoint pieces; nothing where they are no
/// union of pieces. Bands over rows of l, windows of l and columns of l must share l.
std::optional<std::vector<Piece>> remainder(const Piece& piece, const Piece& taken);

/// A window of `view.length` positions as pieces over rows of `stride`: the own row and the rest in
/// the row before. Other pieces come back as they are.
std::vector<Piece> by_rows(const Piece& piece, std::int64_t stride);

}  // namespace sparse_transformer
