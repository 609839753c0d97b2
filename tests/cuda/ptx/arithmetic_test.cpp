// Every instruction of arithmetic.cpp on edge values, against plain C++.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "tests/cuda/ptx/snippet.h"

namespace ptx {
namespace {

using ::testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kSubnormal = 0x1p-130F;

/// Numbers at which something happens.
template <typename T>
std::vector<T> edges() {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_integral_v<T>) {
    return {0,
            1,
            2,
            3,
            7,
            31,
            32,
            static_cast<T>(-1),
            static_cast<T>(-2),
            static_cast<T>(-77),
            Limits::min(),
            static_cast<T>(Limits::min() + 1),
            Limits::max(),
            static_cast<T>(Limits::max() - 1),
            static_cast<T>(0x5a5a5a5a5a5a5a5a)};
  } else {
    return {T{0},          -T{0},
            T{1},          T{-1},
            T{1.5},        T{-2.75},
            T{3e38F},      T{-3e38F},
            Limits::min(), Limits::denorm_min(),
            Limits::max(), Limits::epsilon(),
            T(0.1),        -Limits::infinity(),
            T{1} / T{3},   Limits::infinity(),
            T{1e-30F},     Limits::quiet_NaN()};
  }
}

/// Equal bit by bit, or both NaN.
template <typename T>
bool same(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
  } else {
    return a == b;
  }
}

template <typename T>
void expect_unary(const std::string& opcode, T (*exact)(T)) {
  const std::vector<T> a = edges<T>(), d = compute<T>(opcode, a);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_PRED2(same<T>, d[i], exact(a[i])) << opcode << " of " << a[i];
  }
}

/// Of all pairs of edge values, but none whose second number is 0 where `divides`.
template <typename D, typename T>
void expect_binary(const std::string& opcode, D (*exact)(T, T), bool divides = false) {
  std::vector<T> a, b;
  for (const T x : edges<T>()) {
    for (const T y : edges<T>()) {
      if (divides && y == T{0}) continue;
      a.push_back(x);
      b.push_back(y);
    }
  }
  const std::vector<D> d = compute<D>(opcode, a, b);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_PRED2(same<D>, d[i], exact(a[i], b[i])) << opcode << " of " << a[i] << ", " << b[i];
  }
}

/// Of random triples of edge values.
template <typename T>
void expect_ternary(const std::string& opcode, T (*exact)(T, T, T)) {
  const std::vector<T> all = edges<T>();
  std::mt19937 random(1);
  std::vector<T> a, b, c;
  for (int i = 0; i < 500; ++i) {
    for (std::vector<T>* each : {&a, &b, &c}) each->push_back(all[random() % all.size()]);
  }
  const std::vector<T> d = compute<T>(opcode, a, b, c);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_PRED2(same<T>, d[i], exact(a[i], b[i], c[i]))
        << opcode << " of " << a[i] << ", " << b[i] << ", " << c[i];
  }
}

/// The name of T with a letter for its kind.
template <typename T>
std::string name_of() {
  const char* const kind = std::is_floating_point_v<T> ? ".f" : std::is_signed_v<T> ? ".s" : ".u";
  return kind + std::to_string(8 * sizeof(T));
}
std::string bits_name(std::size_t bytes) { return ".b" + std::to_string(8 * bytes); }

/// Exact integers: wide enough for every sum and product of 64 bits.
using Wide = __int128;
using UnsignedWide = unsigned __int128;
template <typename T>
using WideOf = std::conditional_t<std::is_signed_v<T>, Wide, UnsignedWide>;

template <typename T>
class PtxIntegers : public ::testing::Test {};
using Integers = ::testing::Types<std::int16_t, std::uint16_t, std::int32_t, std::uint32_t,
                                  std::int64_t, std::uint64_t>;
TYPED_TEST_SUITE(PtxIntegers, Integers);

TYPED_TEST(PtxIntegers, SumsAndProductsWrapAround) {
  using T = TypeParam;
  const std::string type = name_of<T>();
  expect_binary<T, T>("add" + type, [](T x, T y) { return T(UnsignedWide(x) + UnsignedWide(y)); });
  expect_binary<T, T>("sub" + type, [](T x, T y) { return T(UnsignedWide(x) - UnsignedWide(y)); });
  expect_binary<T, T>("mul.lo" + type,
                      [](T x, T y) { return T(UnsignedWide(x) * UnsignedWide(y)); });
  expect_ternary<T>("mad.lo" + type, [](T x, T y, T z) {
    return T(UnsignedWide(x) * UnsignedWide(y) + UnsignedWide(z));
  });
  expect_unary<T>("neg" + type, [](T x) { return T(-UnsignedWide(x)); });
}

TYPED_TEST(PtxIntegers, HighProductsHaveTheUpperHalf) {
  using T = TypeParam;
  expect_binary<T, T>("mul.hi" + name_of<T>(),
                      [](T x, T y) { return T((WideOf<T>(x) * WideOf<T>(y)) >> 8 * sizeof(T)); });
}

TYPED_TEST(PtxIntegers, DivisionGoesTowardsZero) {
  using T = TypeParam;
  expect_binary<T, T>(
      "div" + name_of<T>(), [](T x, T y) { return T(WideOf<T>(x) / WideOf<T>(y)); }, true);
  expect_binary<T, T>(
      "rem" + name_of<T>(), [](T x, T y) { return T(WideOf<T>(x) % WideOf<T>(y)); }, true);
}

TYPED_TEST(PtxIntegers, HaveAMinimumAndAMaximum) {
  using T = TypeParam;
  expect_binary<T, T>("min" + name_of<T>(), [](T x, T y) { return x < y ? x : y; });
  expect_binary<T, T>("max" + name_of<T>(), [](T x, T y) { return x > y ? x : y; });
}

TYPED_TEST(PtxIntegers, HaveBitwiseOperations) {
  using T = TypeParam;
  const std::string type = bits_name(sizeof(T));
  expect_binary<T, T>("and" + type, [](T x, T y) { return T(x & y); });
  expect_binary<T, T>("or" + type, [](T x, T y) { return T(x | y); });
  expect_binary<T, T>("xor" + type, [](T x, T y) { return T(x ^ y); });
  expect_unary<T>("not" + type, [](T x) { return T(~x); });
}

TYPED_TEST(PtxIntegers, ShiftsByTheWidthAndMoreShiftEveryBitOut) {
  using T = TypeParam;
  constexpr std::uint32_t kBits = 8 * sizeof(T);
  std::vector<T> a;
  std::vector<std::uint32_t> amounts;
  for (const T x : edges<T>()) {
    for (const std::uint32_t amount : {0U, 1U, kBits - 1, kBits, kBits + 1, 64U, 0xffffffffU}) {
      a.push_back(x);
      amounts.push_back(amount);
    }
  }
  const std::vector<T> left = compute<T>("shl" + bits_name(sizeof(T)), a, amounts);
  const std::vector<T> right = compute<T>("shr" + name_of<T>(), a, amounts);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::uint32_t amount = std::min(amounts[i], kBits);
    EXPECT_EQ(left[i], T(UnsignedWide(a[i]) << amount)) << a[i] << " << " << amounts[i];
    EXPECT_EQ(right[i], T(WideOf<T>(a[i]) >> amount)) << a[i] << " >> " << amounts[i];
  }
}

TEST(PtxArithmetic, WideProductsHaveTwiceTheBits) {
  expect_binary<std::int64_t, std::int32_t>(
      "mul.wide.s32", [](std::int32_t x, std::int32_t y) { return std::int64_t{x} * y; });
  expect_binary<std::uint64_t, std::uint32_t>(
      "mul.wide.u32", [](std::uint32_t x, std::uint32_t y) { return std::uint64_t{x} * y; });
  expect_binary<std::int32_t, std::int16_t>(
      "mul.wide.s16", [](std::int16_t x, std::int16_t y) { return std::int32_t{x} * y; });
  expect_binary<std::uint32_t, std::uint16_t>(
      "mul.wide.u16", [](std::uint16_t x, std::uint16_t y) { return std::uint32_t{x} * y; });
}

template <typename T>
class PtxFloats : public ::testing::Test {};
using Floats = ::testing::Types<float, double>;
TYPED_TEST_SUITE(PtxFloats, Floats);

TYPED_TEST(PtxFloats, AreComputedAsByThisMachine) {
  using T = TypeParam;
  const std::string type = name_of<T>();
  for (const std::string rounding : {"", ".rn"}) {
    expect_binary<T, T>("add" + rounding + type, [](T x, T y) { return x + y; });
    expect_binary<T, T>("mul" + rounding + type, [](T x, T y) { return x * y; });
  }
  expect_binary<T, T>("sub" + type, [](T x, T y) { return x - y; });
  expect_binary<T, T>("div.rn" + type, [](T x, T y) { return x / y; });
  expect_ternary<T>("fma.rn" + type, [](T x, T y, T z) { return std::fma(x, y, z); });
  expect_unary<T>("neg" + type, [](T x) { return -x; });
  expect_unary<T>("abs" + type, [](T x) { return std::fabs(x); });
  expect_unary<T>("sqrt.rn" + type, [](T x) { return std::sqrt(x); });
  expect_unary<T>("rcp.rn" + type, [](T x) { return 1 / x; });
}

TYPED_TEST(PtxFloats, FusedProductsAreRoundedOnce) {
  using T = TypeParam;
  const T e = std::numeric_limits<T>::epsilon();
  const std::vector<T> d = compute<T>("fma.rn" + name_of<T>(), std::vector<T>{1 + e},
                                      std::vector<T>{1 - e}, std::vector<T>{-1});
  EXPECT_EQ(d[0], -e * e);
}

TYPED_TEST(PtxFloats, TheOtherOfANumberAndNanIsTheSmallerAndTheLarger) {
  using T = TypeParam;
  expect_binary<T, T>("min" + name_of<T>(), [](T x, T y) {
    if (std::isnan(x) || std::isnan(y)) return std::isnan(x) ? y : x;
    return x < y || (x == y && std::signbit(x)) ? x : y;
  });
  expect_binary<T, T>("max" + name_of<T>(), [](T x, T y) {
    if (std::isnan(x) || std::isnan(y)) return std::isnan(x) ? y : x;
    return x > y || (x == y && !std::signbit(x)) ? x : y;
  });
}

TEST(PtxArithmetic, ApproximateInstructionsTakeSubnormalNumbersForZeros) {
  const std::vector<float> a = {2, -4, kSubnormal, -kSubnormal, 0x1p127F, kInfinity, 0, 0x1p-127F};
  const std::vector<float> reciprocals = compute<float>("rcp.approx.ftz.f32", a);
  const std::vector<float> exact = {0.5F, -0.25F, kInfinity, -kInfinity,
                                    0,    0,      kInfinity, kInfinity};
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(reciprocals[i], exact[i]) << a[i];
  const std::vector<float> powers = compute<float>(
      "ex2.approx.ftz.f32",
      std::vector<float>{3, -1, 0, kSubnormal, -126, -126.5F, -kInfinity, kInfinity, 128});
  EXPECT_THAT(powers, ::testing::ElementsAre(8, 0.5F, 1, 1, 0x1p-126F, 0, 0, kInfinity, kInfinity));
}

TEST(PtxArithmetic, AnApproximateReciprocalInDoubleHasThirtyTwoBits) {
  const std::vector<double> a = {3.0, -7e100, 1.0, 0x1p-1030, -0x1p-1030, 0x1p1023};
  const std::vector<double> d = compute<double>("rcp.approx.ftz.f64", a);
  for (const int i : {0, 1, 2}) {
    EXPECT_NEAR(d[static_cast<std::size_t>(i)] * a[static_cast<std::size_t>(i)], 1.0, 0x1p-19);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(d[static_cast<std::size_t>(i)]) & 0xffffffff, 0U);
  }
  EXPECT_EQ(d[3], kInfinity) << "a subnormal number is taken for a zero";
  EXPECT_EQ(d[4], -kInfinity);
  EXPECT_EQ(d[5], 0.0);
}

TEST(PtxArithmetic, InsertsAndReversesAndFindsBits) {
  const std::vector<std::uint32_t> a = {0xff, 0x12345678, 0xff, 0xff, 0xffffffff, 0xff, 0xff, 5};
  const std::vector<std::uint32_t> b = {0, 0xffffffff, 0, 7, 0, 0, 1, 9};
  const std::vector<std::uint32_t> begin = {4, 8, 28, 3, 0, 32, 0x100, 0};
  const std::vector<std::uint32_t> length = {4, 16, 8, 0, 32, 4, 2, 40};
  EXPECT_THAT(compute<std::uint32_t>("bfi.b32", a, b, begin, length),
              ::testing::ElementsAre(0xf0, 0xff5678ff, 0xf0000000, 7, 0xffffffff, 0, 3, 5));
  const std::vector<std::uint32_t> bits = {0, 1, 0x80000000, 0x12345678, 0xffffffff};
  EXPECT_THAT(compute<std::uint32_t>("brev.b32", bits),
              ::testing::ElementsAre(0, 0x80000000, 1, 0x1e6a2c48, 0xffffffff));
  EXPECT_THAT(compute<std::uint32_t>("bfind.shiftamt.u32", bits),
              ::testing::ElementsAre(0xffffffff, 31, 0, 3, 0));
}

TEST(PtxArithmetic, MovesPackAndUnpack) {
  Snippet snippet(
      "mov.b32 %r1, 0x89abcdef;\n mov.b32 {%x1, %x2}, %r1;\n mov.b32 %r2, {%x2, %x1};\n"
      "mov.b64 %d1, {%r1, 7};\n mov.b64 {%r3, %r4}, %d1;\n mov.b64 %d2, {%x1, %x2, %x1, %x1};\n"
      "st.global.u16 [%a0], %x1;\n st.global.u16 [%a0+2], %x2;\n st.global.u32 [%a0+4], %r2;\n"
      "st.global.u32 [%a0+8], %r3;\n st.global.u32 [%a0+12], %r4;\n st.global.u64 [%a0+16], %d2;");
  snippet.give_unwritten(24);
  snippet.run();
  EXPECT_THAT(
      snippet.read<std::uint32_t>(0, 6),
      ::testing::ElementsAre(0x89abcdef, 0xcdef89ab, 0x89abcdef, 7, 0x89abcdef, 0xcdefcdef));
}

TEST(PtxArithmetic, PredicatesHaveBitwiseOperations) {
  // %p1 and %p2 are the two bits of the thread's number.
  Snippet snippet(
      "and.b32 %r1, %tid, 1;\n setp.ne.u32 %p1, %r1, 0;\n setp.gt.u32 %p2, %tid, 1;\n"
      "and.pred %p3, %p1, %p2;\n or.pred %p4, %p1, %p2;\n xor.pred %p5, %p1, %p2;\n"
      "not.pred %p6, %p1;\n mov.pred %p7, %p2;\n"
      "selp.b32 %r3, 1, 0, %p3;\n selp.b32 %r4, 2, 0, %p4;\n selp.b32 %r5, 4, 0, %p5;\n"
      "selp.b32 %r6, 8, 0, %p6;\n selp.b32 %r7, 16, 0, %p7;\n"
      "add.s32 %r3, %r3, %r4;\n add.s32 %r3, %r3, %r5;\n add.s32 %r3, %r3, %r6;\n"
      "add.s32 %r3, %r3, %r7;\n" +
      element_address("%a0", 4) + "st.global.u32 [%d0], %r3;");
  snippet.give_unwritten(16);
  snippet.run_threads(4);
  EXPECT_THAT(snippet.read<int>(0, 4),
              ::testing::ElementsAre(8, 2 + 4, 2 + 4 + 8 + 16, 1 + 2 + 16));
}

TEST(PtxArithmetic, WhatHasNoInstructionIsRefused) {
  for (const std::string statement :
       {"add.f16 %x1, %x2, %x3", "add.bf16x2 %r1, %r2, %r3", "min.f16x2 %r1, %r2, %r3",
        "add.rz.f32 %f1, %f2, %f3", "add.sat.s32 %r1, %r2, %r3", "add.cc.u32 %r1, %r2, %r3",
        "mul.wide.u64 %d1, %d2, %d3", "mul.s32 %r1, %r2, %r3", "div.f32 %f1, %f2, %f3",
        "abs.s32 %r1, %r2", "sqrt.approx.f32 %f1, %f2", "rcp.approx.ftz.f16 %x1, %x2",
        "brev.b64 %d1, %d2", "bfind.u32 %r1, %r2", "min.NaN.f32 %f1, %f2, %f3", "add.s32 %r1, %r2",
        "bfi.b32 %r1, %r2, %r3, 1", "add.s32 %d1, %r2, %r3", "add.s32 %r1, %d2, %r3"}) {
    EXPECT_THAT(refusal(statement + ";"), HasSubstr("`" + statement + "`: ")) << statement;
  }
}

TEST(PtxArithmetic, DivisionByZeroIsAFault) {
  for (const std::string opcode : {"div.s32", "rem.u32"}) {
    const std::string statement = opcode + " %r2, 5, %r1";
    Snippet snippet("sub.s32 %r1, 40, %tid;\n" + statement + ";");
    EXPECT_EQ(snippet.fault_of_threads(64), fault_at(0, 40, statement) + "division by zero");
  }
}

}  // namespace
}  // namespace ptx
