// Whole numbers that do not wrap.
#pragma once

#include <compare>
#include <cstdint>
#include <stdexcept>

namespace sparse_transformer {

/// A sum, difference or product that 64 bits do not hold.
class IntegerOverflow : public std::overflow_error {
 public:
  IntegerOverflow() : std::overflow_error("a number above 2^63") {}
};

/// A signed whole number of 64 bits whose sums, differences and products throw IntegerOverflow
/// instead of wrapping. It converts from std::int64_t, so an expression is checked from its first
/// CheckedInteger on.
class CheckedInteger {
 public:
  constexpr CheckedInteger() = default;
  // It converts, for expressions mix both kinds of numbers.
  // NOLINTNEXTLINE(google-explicit-constructor,misc-explicit-constructor)
  constexpr CheckedInteger(std::int64_t value) : value_(value) {}

  constexpr std::int64_t value() const { return value_; }

  friend CheckedInteger operator+(CheckedInteger a, CheckedInteger b) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(a.value_, b.value_, &sum)) throw IntegerOverflow();
    return sum;
  }
  friend CheckedInteger operator-(CheckedInteger a, CheckedInteger b) {
    std::int64_t difference = 0;
    if (__builtin_sub_overflow(a.value_, b.value_, &difference)) throw IntegerOverflow();
    return difference;
  }
  friend CheckedInteger operator*(CheckedInteger a, CheckedInteger b) {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(a.value_, b.value_, &product)) throw IntegerOverflow();
    return product;
  }
  CheckedInteger& operator+=(CheckedInteger other) { return *this = *this + other; }
  friend constexpr auto operator<=>(CheckedInteger, CheckedInteger) = default;

 private:
  std::int64_t value_ = 0;
};

}  // namespace sparse_transformer
