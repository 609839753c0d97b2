// What tiles_code.inl and token_code.inl compute with: products of small matrices, and the exchange
// of rows and columns. The rules of registers.inl hold here.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "attention/kernels/registers.inl"

namespace sparse_transformer {
namespace {

std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
std::int64_t larger(std::int64_t a, std::int64_t b) { return a < b ? b : a; }
template <typename T>
std::int64_t round_up(std::int64_t count) {
  return (count + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

/// a0 b0 a1 b1 …, of the lower halves (kHalf 0) or the upper ones (1).
template <typename T, int kHalf, int... kPlaces>
inline Values<T> interleaved(Values<T> a, Values<T> b, std::integer_sequence<int, kPlaces...>) {
  constexpr int kCount = kLanes<T>;
  return __builtin_shufflevector(a, b, (kPlaces % 2 * kCount + (kHalf * kCount + kPlaces) / 2)...);
}

/// As many registers as each has numbers: interleaving them with those half of all further on, as
/// often as halving leads to one, exchanges rows and columns.
template <typename T>
inline void transpose(Values<T> (&rows)[kLanes<T>]) {
  constexpr int kCount = kLanes<T>;
  constexpr auto kPlaces = std::make_integer_sequence<int, kCount>();
#pragma GCC unroll 4
  for (int left = kCount; left > 1; left /= 2) {
    Values<T> next[kCount];
#pragma GCC unroll 8
    for (int i = 0; i < kCount / 2; ++i) {
      next[2 * i] = interleaved<T, 0>(rows[i], rows[i + kCount / 2], kPlaces);
      next[2 * i + 1] = interleaved<T, 1>(rows[i], rows[i + kCount / 2], kPlaces);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kCount; ++i) rows[i] = next[i];
  }
}

/// In which products of these operands are summed: float32 for pairs of bfloat16.
template <typename Operand>
using Sum = std::conditional_t<std::is_same_v<Operand, double>, double, float>;

/// sum + left · right.
template <typename T>
inline Values<T> multiply_add(T left, Values<T> right, Values<T> sum) {
  return sum + left * right;
}
template <typename T>
inline T multiply_add(T left, T right, T sum) {
  return sum + left * right;
}

/// The left factor of a product: element (row, k) is data[row · row_stride + k · depth_stride].
template <typename T>
struct Factor {
  const T* data;
  std::int64_t row_stride, depth_stride;
};
/// Dense rows: the right factor [depth, columns] of a product, or its result [rows, columns].
template <typename T>
struct Rows {
  T* data;
  std::int64_t stride;
};

/// What a product does with what is in its result already.
enum class Result : bool { kReplaced, kAddedTo };

/// c[kRows, kVectors registers] = a · b, or += .
template <typename Operand, int kRows, int kVectors>
inline void multiply_registers(Factor<Operand> a, Rows<const Operand> b, Rows<Sum<Operand>> c,
                               std::int64_t depth, Result result) {
  using T = Sum<Operand>;
  constexpr int kCount = kLanes<T>;
  Values<T> sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sum[row][v] =
          result == Result::kReplaced ? Values<T>{} : load(c.data + row * c.stride + v * kCount);
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    Values<Operand> right[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) right[v] = load(b.data + k * b.stride + v * kCount);
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const Operand left = a.data[row * a.row_stride + k * a.depth_stride];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[row][v] = multiply_add(left, right[v], sum[row][v]);
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) store(c.data + row * c.stride + v * kCount, sum[row][v]);
  }
}

/// The same of one column.
template <typename Operand>
void multiply_column(std::int64_t rows, Factor<Operand> a, Rows<const Operand> b,
                     Rows<Sum<Operand>> c, std::int64_t depth, Result result) {
  for (std::int64_t row = 0; row < rows; ++row) {
    Sum<Operand> sum = result == Result::kReplaced ? 0 : c.data[row * c.stride];
    for (std::int64_t k = 0; k < depth; ++k) {
      sum =
          multiply_add(a.data[row * a.row_stride + k * a.depth_stride], b.data[k * b.stride], sum);
    }
    c.data[row * c.stride] = sum;
  }
}

template <typename Operand, int kRows>
inline void multiply_rows(Factor<Operand> a, Rows<const Operand> b, Rows<Sum<Operand>> c,
                          std::int64_t columns, std::int64_t depth, Result result) {
  constexpr std::int64_t kCount = kLanes<Operand>;
  std::int64_t column = 0;
  const auto rest = [&] { return columns - column; };
  const auto right = [&] { return Rows<const Operand>{b.data + column, b.stride}; };
  const auto sum = [&] { return Rows<Sum<Operand>>{c.data + column, c.stride}; };
  for (; rest() >= 2 * kCount; column += 2 * kCount) {
    multiply_registers<Operand, kRows, 2>(a, right(), sum(), depth, result);
  }
  for (; rest() >= kCount; column += kCount) {
    multiply_registers<Operand, kRows, 1>(a, right(), sum(), depth, result);
  }
  for (; rest() > 0; ++column) multiply_column(kRows, a, right(), sum(), depth, result);
}

/// Rows that are multiplied at once: with two registers a row, twelve of sixteen hold sums.
constexpr std::int64_t kGroup = 6;

/// c[rows, columns] = a[rows, depth] · b[depth, columns], or += , for at most kGroup rows.
template <typename Operand>
void multiply(std::int64_t rows, Factor<Operand> a, Rows<const Operand> b, Rows<Sum<Operand>> c,
              std::int64_t columns, std::int64_t depth, Result result) {
  switch (rows) {
    case 1:
      return multiply_rows<Operand, 1>(a, b, c, columns, depth, result);
    case 2:
      return multiply_rows<Operand, 2>(a, b, c, columns, depth, result);
    case 3:
      return multiply_rows<Operand, 3>(a, b, c, columns, depth, result);
    case 4:
      return multiply_rows<Operand, 4>(a, b, c, columns, depth, result);
    case 5:
      return multiply_rows<Operand, 5>(a, b, c, columns, depth, result);
    default:
      return multiply_rows<Operand, 6>(a, b, c, columns, depth, result);
  }
}

}  // namespace
}  // namespace sparse_transformer
