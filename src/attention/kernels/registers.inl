// Vector registers as numbers: what kernels that are compiled once for each instruction set compute
// with. The including file defines SPARSE_TRANSFORMER_VECTOR_BYTES and is compiled for processors
// with such registers. Nothing here may be shared with other files: the linker could then take this
// instruction set's copy for all. So there is no function of the standard library, and everything
// is in an unnamed namespace.
#pragma once

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#include <cstdint>
#include <numbers>

#include "runtime/half.h"

namespace sparse_transformer {
namespace {

template <typename T>
struct Register;
template <>
struct Register<float> {
  using Values = float __attribute__((vector_size(SPARSE_TRANSFORMER_VECTOR_BYTES)));
  using Integers = std::int32_t __attribute__((vector_size(SPARSE_TRANSFORMER_VECTOR_BYTES)));
  using Integer = std::int32_t;
  static constexpr Integer kMantissaBits = 23, kExponentBias = 127;
  static constexpr float kLowestExponent = -87.0F;  // exp of less is no normal number
  // ln 2 in two parts, of which the first has few bits: n · kLn2High is exact.
  static constexpr float kLn2High = 0x1.62ep-1F;  // NOLINT(modernize-use-std-numbers): cut off
  static constexpr float kLn2Low = 0x1.0bfbe8p-15F;
  static constexpr int kTaylorTerms = 8;
};
template <>
struct Register<double> {
  using Values = double __attribute__((vector_size(SPARSE_TRANSFORMER_VECTOR_BYTES)));
  using Integers = std::int64_t __attribute__((vector_size(SPARSE_TRANSFORMER_VECTOR_BYTES)));
  using Integer = std::int64_t;
  static constexpr Integer kMantissaBits = 52, kExponentBias = 1023;
  static constexpr double kLowestExponent = -708.0;
  static constexpr double kLn2High = 0x1.62e42feep-1;  // NOLINT(modernize-use-std-numbers): cut off
  static constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  static constexpr int kTaylorTerms = 15;
};

template <typename T>
using Values = Register<T>::Values;
template <typename T>
using Integers = Register<T>::Integers;

template <typename T>
constexpr int kLanes = SPARSE_TRANSFORMER_VECTOR_BYTES / sizeof(T);
template <typename T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());

template <typename T>
inline Values<T> load(const T* from) {
  Values<T> values;
  __builtin_memcpy(&values, from, sizeof(values));
  return values;
}
template <typename T>
inline void store(T* to, Values<T> values) {
  __builtin_memcpy(to, &values, sizeof(values));
}

/// The first `count` numbers of a vector; the others are 0.
template <typename Vector, typename Number>
inline Vector load_first(const Number* from, std::int64_t count) {
  constexpr auto kAll = static_cast<std::int64_t>(sizeof(Vector) / sizeof(Number));
  Vector values = {};
  if (count >= kAll) {
    __builtin_memcpy(&values, from, sizeof(values));
  } else {
    __builtin_memcpy(&values, from, static_cast<std::size_t>(count) * sizeof(Number));
  }
  return values;
}
template <typename Vector, typename Number>
inline void store_first(Number* to, const Vector& values, std::int64_t count) {
  constexpr auto kAll = static_cast<std::int64_t>(sizeof(Vector) / sizeof(Number));
  if (count >= kAll) {
    __builtin_memcpy(to, &values, sizeof(values));
  } else {
    __builtin_memcpy(to, &values, static_cast<std::size_t>(count) * sizeof(Number));
  }
}

/// The first `count` lanes; the others are 0.
template <typename T>
inline Values<T> load_some(const T* from, std::int64_t count) {
  return load_first<Values<T>>(from, count);
}
template <typename T>
inline void store_some(T* to, Values<T> values, std::int64_t count) {
  store_first(to, values, count);
}

/// A register's bits, and half of one.
using Bits = std::uint32_t __attribute__((vector_size(SPARSE_TRANSFORMER_VECTOR_BYTES)));
using HalfBits = std::uint16_t __attribute__((vector_size(SPARSE_TRANSFORMER_VECTOR_BYTES / 2)));

/// To bfloat16: the nearest, of two the even one.
inline HalfBits rounded(Values<float> values) {
#ifdef __AVX512BF16__
  return __builtin_bit_cast(HalfBits, _mm512_cvtneps_pbh(__builtin_bit_cast(__m512, values)));
#else
  constexpr std::uint32_t kNotANumber = 0x7fc0, kJustBelowHalf = 0x7fff;
  const Bits bits = __builtin_bit_cast(Bits, values);
  const Bits upper = (bits + kJustBelowHalf + ((bits >> 16) & 1)) >> 16;
  return __builtin_convertvector(values == values ? upper : Bits{} + kNotANumber, HalfBits);
#endif
}

inline Values<float> load_some(const Bfloat16* from, std::int64_t count) {
  const auto bits = load_first<HalfBits>(from, count);
  return __builtin_bit_cast(Values<float>, __builtin_convertvector(bits, Bits) << 16);
}
inline void store_some(Bfloat16* to, Values<float> values, std::int64_t count) {
  store_first(to, rounded(values), count);
}

/// 1 / k!
template <typename T>
constexpr T taylor_coefficient(int k) {
  double coefficient = 1.0;
  for (int i = 2; i <= k; ++i) coefficient /= i;
  return static_cast<T>(coefficient);
}

/// e^x for x <= 80, to about the last bit: e^x = 2^n · e^r with |r| <= ln 2 / 2, and Taylor's
/// series for e^r. Exactly 0 where the result would be no normal number.
template <typename T>
inline Values<T> exponential(Values<T> x) {
  using R = Register<T>;
  // Adding 1.5 · 2^mantissa bits rounds to a whole number, which then lies in the lowest bits.
  constexpr T kRounder = T(3LL << (R::kMantissaBits - 1));
  constexpr T kLog2E = std::numbers::log2e_v<T>;
  const Values<T> shifted = x * kLog2E + kRounder;
  const Values<T> n = shifted - kRounder;
  const Values<T> r = x - n * R::kLn2High - n * R::kLn2Low;
  Values<T> sum = Values<T>{} + taylor_coefficient<T>(R::kTaylorTerms - 1);
#pragma GCC unroll 16
  for (int k = R::kTaylorTerms - 2; k >= 0; --k) sum = sum * r + taylor_coefficient<T>(k);
  const Integers<T> power = (__builtin_bit_cast(Integers<T>, shifted) + R::kExponentBias)
                            << R::kMantissaBits;
  return x < R::kLowestExponent ? Values<T>{} : sum * __builtin_bit_cast(Values<T>, power);
}

/// 1 / (1 + e^-x), without overflow.
template <typename T>
inline Values<T> sigmoid(Values<T> x) {
  const Values<T> small = exponential<T>(x < 0 ? x : -x);
  return (x < 0 ? small : Values<T>{} + T(1)) / (small + T(1));
}

template <typename T>
inline T sum_of(Values<T> values) {
  T sum = 0;
  for (std::int64_t i = 0; i < kLanes<T>; ++i) sum += values[i];
  return sum;
}

template <typename T>
void clear(T* numbers, std::int64_t count) {
  __builtin_memset(numbers, 0, static_cast<std::size_t>(count) * sizeof(T));
}

}  // namespace
}  // namespace sparse_transformer
