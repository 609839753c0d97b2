// Numbers of half precision on the host, for tests of kernels.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "runtime/half.h"

namespace sparse_transformer {

inline float to_float(float x) { return x; }
inline float to_float(Bfloat16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}
inline float to_float(Float16 x) {
  const int exponent = x.bits >> 10 & 31, fraction = x.bits & 1023;
  float size = std::ldexp(static_cast<float>(fraction + (exponent > 0 ? 1024 : 0)),
                          std::max(exponent, 1) - 25);
  if (exponent == 31) size = fraction == 0 ? INFINITY : NAN;
  return (x.bits & 0x8000) != 0 ? -size : size;
}

/// Rounds to the nearest number of the type, ties to even. x must be finite and within its range.
template <typename T>
T rounded(double x);
template <>
inline float rounded<float>(double x) {
  return static_cast<float>(x);
}
template <>
inline Bfloat16 rounded<Bfloat16>(double x) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(x));
  return {static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
template <>
inline Float16 rounded<Float16>(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  const int spacing = x == 0.0 || exponent < -13 ? -24 : exponent - 11;
  const int steps = static_cast<int>(std::nearbyint(std::ldexp(std::fabs(x), -spacing)));
  const int bits = spacing == -24 ? steps : ((spacing + 24) << 10) + steps;
  return {static_cast<std::uint16_t>(bits | (std::signbit(x) ? 0x8000 : 0))};
}

/// The farthest that rounding takes a number, relative to it: half a unit in the last place.
template <typename T>
constexpr double kRounding = 0.0;
template <>
inline constexpr double kRounding<float> = 0x1p-24;
template <>
inline constexpr double kRounding<Bfloat16> = 0x1p-8;
template <>
inline constexpr double kRounding<Float16> = 0x1p-11;

template <typename T>
std::vector<T> rounded(const std::vector<float>& numbers) {
  std::vector<T> result;
  result.reserve(numbers.size());
  for (const float x : numbers) result.push_back(rounded<T>(x));
  return result;
}

template <typename T>
std::vector<double> exact(const std::vector<T>& numbers) {
  std::vector<double> result;
  result.reserve(numbers.size());
  for (const T x : numbers) result.push_back(to_float(x));
  return result;
}

}  // namespace sparse_transformer
