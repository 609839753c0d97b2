// Rows in the cache as the products of a round take them: numbers as they are, or pairs of bfloat16
// (bfloat16_pairs.inl), which are of neighbours along the dimension that a product sums over. The
// rules of registers.inl hold here.
#pragma once

#include <cstdint>
#include <type_traits>

#include "attention/kernels/tiles.h"
#include "attention/kernels/tiles_arithmetic.inl"

namespace sparse_transformer {
namespace {

template <typename Operand>
constexpr bool kIsPair = !std::is_same_v<Operand, Sum<Operand>>;

/// Operands that hold so many numbers; the last pair may have a 0.
template <typename Operand>
constexpr std::int64_t units(std::int64_t count) {
  return kIsPair<Operand> ? (count + 1) / 2 : count;
}

template <typename Number>
Number* row_of(HeadRows<Number> rows, std::int64_t i) {
  return rows.data + i * rows.stride;
}

/// Asks for a row that is read or written soon: rows of a column of the sequence lie so far apart
/// that the processor does not guess the next.
template <typename Number>
void prefetch(HeadRows<Number> rows, std::int64_t i, std::int64_t width) {
  constexpr std::int64_t kLine = 64 / sizeof(Number);
  constexpr int kIsWritten = std::is_const_v<Number> ? 0 : 1;
  for (std::int64_t c = 0; c < width; c += kLine) {
    __builtin_prefetch(row_of(rows, i) + c, kIsWritten);
  }
}

constexpr std::int64_t kAhead = 8;  // rows

inline float number(Bfloat16 x) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(x.bits) << 16);
}

template <typename T>
void copy_numbers(const T* from, std::int64_t count, T* to) {
  for (std::int64_t c = 0; c < count; ++c) to[c] = from[c];
}
inline void copy_numbers(const Bfloat16* from, std::int64_t count, float* to) {
  for (std::int64_t c = 0; c < count; ++c) to[c] = number(from[c]);
}

/// to[count, units of width] = the rows first … of `from`.
template <typename Number, typename Operand>
void copy_rows(HeadRows<const Number> from, std::int64_t first, std::int64_t count,
               std::int64_t width, Operand* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (i + kAhead < count) prefetch(from, first + i + kAhead, width);
    copy_numbers(row_of(from, first + i), width, to + i * units<Operand>(width));
  }
}

/// The rows first … of `to` = factor · from[count, width], or += .
template <Result result, typename T>
void put_rows(const T* from, std::int64_t count, std::int64_t width, T factor, HeadRows<T> to,
              std::int64_t first) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (i + kAhead < count) prefetch(to, first + i + kAhead, width);
    T* row = row_of(to, first + i);
    for (std::int64_t c = 0; c < width; ++c) {
      const T share = factor * from[i * width + c];
      row[c] = result == Result::kAddedTo ? row[c] + share : share;
    }
  }
}

/// lanes[width, kBlockQueries] = rows[count, width] transposed, zeros beyond `count` in the last
/// register; width in operands.
template <typename Operand>
void to_lanes(const Operand* rows, std::int64_t count, std::int64_t width, Operand* lanes) {
  const std::int64_t whole = width / kLanes<Operand> * kLanes<Operand>;
  const std::int64_t end = round_up<Operand>(count);
  for (std::int64_t first = 0; first < end; first += kLanes<Operand>) {
    for (std::int64_t c = 0; c < whole; c += kLanes<Operand>) {
      Values<Operand> square[kLanes<Operand>];
      for (std::int64_t i = 0; i < kLanes<Operand>; ++i) {
        square[i] = first + i < count ? load(rows + (first + i) * width + c) : Values<Operand>{};
      }
      transpose<Operand>(square);
      for (std::int64_t i = 0; i < kLanes<Operand>; ++i) {
        store(lanes + (c + i) * kBlockQueries + first, square[i]);
      }
    }
  }
  for (std::int64_t c = whole; c < width; ++c) {
    for (std::int64_t i = 0; i < end; ++i) {
      lanes[c * kBlockQueries + i] = i < count ? rows[i * width + c] : Operand{};
    }
  }
}

template <typename T, typename Number>
T dot_product(const Number* a, const Number* b, std::int64_t width) {
  Values<T> sums = {};
  for (std::int64_t c = 0; c < width; c += kLanes<T>) {
    sums += load_some(a + c, width - c) * load_some(b + c, width - c);
  }
  return sum_of<T>(sums);
}

/// Hands out memory for numbers of type T and operands, which are as large.
template <typename T>
struct Scratch {
  T* next;
  template <typename Taken = T>
  Taken* take(std::int64_t count) {
    static_assert(sizeof(Taken) == sizeof(T));
    void* const taken = next;
    next += count;
    return static_cast<Taken*>(taken);
  }
};

/// Rows as both factors of products. Of numbers one copy is both.
template <typename Operand>
struct DenseRows {
  Operand* rows;     // [count, units of width]: a left factor, or what becomes lanes
  Operand* stacked;  // [units of count, width]: a right factor

  /// To be called once the rows are there.
  void stack([[maybe_unused]] std::int64_t count, [[maybe_unused]] std::int64_t width) const {
    if constexpr (kIsPair<Operand>) stack_pairs(rows, count, width, stacked);
  }
};

/// What a row takes of memory, in operands.
template <typename Operand>
constexpr std::int64_t row_size(std::int64_t width) {
  return kIsPair<Operand> ? 2 * units<Operand>(width) : width;
}

/// count: even.
template <typename Operand, typename T>
DenseRows<Operand> take_rows(Scratch<T>& scratch, std::int64_t count, std::int64_t width) {
  auto* const rows = scratch.template take<Operand>(count * row_size<Operand>(width));
  return {rows, kIsPair<Operand> ? rows + count * units<Operand>(width) : rows};
}

}  // namespace
}  // namespace sparse_transformer
