#include "tests/cuda/ptx/type.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace ptx {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// As the compiler rounds.
std::uint16_t compilers_float16(float x) {
  return std::bit_cast<std::uint16_t>(static_cast<_Float16>(x));
}

/// Of the two neighbours in bfloat16 the nearer one, or the even one.
std::uint16_t nearest_bfloat16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto below = static_cast<std::uint16_t>(bits >> 16);
  const auto above = static_cast<std::uint16_t>(below + 1);
  // As if numbers had no greatest exponent: infinity is where the next number would be.
  const auto size = [](std::uint16_t b) {
    return (b & 0x7fff) == 0x7f80 ? std::ldexp(1.0, 128) : std::fabs(double{from_bfloat16(b)});
  };
  const double to_below = std::fabs(x) - size(below), to_above = size(above) - std::fabs(x);
  if (to_below == to_above) return below % 2 == 0 ? below : above;
  return to_below < to_above ? below : above;
}

/// Bit patterns of all exponents.
template <typename F>
void for_random_numbers(F f) {
  std::mt19937 random(1);
  for (int i = 0; i < 2'000'000; ++i) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isfinite(x)) f(x);
  }
}

TEST(PtxType, EveryFloat16SurvivesBothConversions) {
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float x = from_float16(bits);
    const auto exact = static_cast<float>(std::bit_cast<_Float16>(bits));
    if (std::isnan(exact)) {
      ASSERT_TRUE(std::isnan(x) && std::isnan(from_float16(to_float16(x)))) << i;
    } else {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(x), std::bit_cast<std::uint32_t>(exact)) << i;
      ASSERT_EQ(to_float16(x), bits);
    }
  }
}

TEST(PtxType, EveryBfloat16SurvivesBothConversions) {
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float x = from_bfloat16(bits);
    if (std::isnan(x)) {
      ASSERT_TRUE(std::isnan(from_bfloat16(to_bfloat16(x)))) << i;
    } else {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(x), std::uint32_t{bits} << 16);
      ASSERT_EQ(to_bfloat16(x), bits);
    }
  }
}

TEST(PtxType, RoundsToFloat16AsTheCompilerDoes) {
  for_random_numbers([](float x) { ASSERT_EQ(to_float16(x), compilers_float16(x)) << x; });
  // Numbers of float16's range, with ties among them.
  std::mt19937 random(2);
  for (int i = 0; i < 1'000'000; ++i) {
    const float x = std::bit_cast<float>(0x33000000 + static_cast<std::uint32_t>(random()) %
                                                          0x14800000 / 0x800 * 0x800);
    ASSERT_EQ(to_float16(x), compilers_float16(x)) << x;
    ASSERT_EQ(to_float16(-x), compilers_float16(-x)) << x;
  }
}

TEST(PtxType, RoundsToTheNearestBfloat16) {
  for_random_numbers([](float x) { ASSERT_EQ(to_bfloat16(x), nearest_bfloat16(x)) << x; });
}

TEST(PtxType, TiesGoToTheEvenNumber) {
  EXPECT_EQ(to_float16(1 + 0x1p-11F), 0x3c00);
  EXPECT_EQ(to_float16(1 + 0x3p-11F), 0x3c02);
  EXPECT_EQ(to_float16(-1 - 0x3p-11F), 0xbc02);
  EXPECT_EQ(to_bfloat16(1 + 0x1p-8F), 0x3f80);
  EXPECT_EQ(to_bfloat16(1 + 0x3p-8F), 0x3f82);
  EXPECT_EQ(to_bfloat16(-1 - 0x3p-8F), 0xbf82);
}

TEST(PtxType, NumbersThatAreTooLargeBecomeInfinite) {
  EXPECT_EQ(to_float16(65519.0F), 0x7bff);
  EXPECT_EQ(to_float16(65520.0F), 0x7c00);
  EXPECT_EQ(to_float16(-1e30F), 0xfc00);
  EXPECT_EQ(to_float16(kInfinity), 0x7c00);
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(to_bfloat16(-kInfinity), 0xff80);
}

TEST(PtxType, SmallNumbersAreSubnormal) {
  EXPECT_EQ(to_float16(0x1p-24F), 0x0001);
  EXPECT_EQ(to_float16(0x1p-25F), 0x0000);
  EXPECT_EQ(to_float16(0x1.8p-25F), 0x0001);
  EXPECT_EQ(to_float16(-0x1p-30F), 0x8000);
  EXPECT_EQ(to_float16(0x1.ffcp-15F), 0x0400) << "rounds up to the smallest normal number";
  EXPECT_EQ(to_bfloat16(0x1p-133F), 0x0001);
}

TEST(PtxType, NanStaysNan) {
  EXPECT_TRUE(std::isnan(from_float16(to_float16(kNan))));
  EXPECT_TRUE(std::isnan(from_bfloat16(to_bfloat16(-kNan))));
  // Its fraction would be lost by cutting the low bits off, or by rounding them up.
  EXPECT_TRUE(std::isnan(from_bfloat16(to_bfloat16(std::bit_cast<float>(0x7f800001)))));
  EXPECT_TRUE(std::isnan(from_bfloat16(to_bfloat16(std::bit_cast<float>(0x7fffffff)))));
}

TEST(PtxType, IsReadFromItsName) {
  EXPECT_EQ(parse_type("u8"), (Type{Type::Kind::kUnsigned, 8}));
  EXPECT_EQ(parse_type("s64"), (Type{Type::Kind::kSigned, 64}));
  EXPECT_EQ(parse_type("b16"), (Type{Type::Kind::kBits, 16}));
  EXPECT_EQ(parse_type("f32"), (Type{Type::Kind::kFloat, 32}));
  EXPECT_EQ(parse_type("pred").bytes(), 1);
  EXPECT_EQ(parse_type("f64").bytes(), 8);
  EXPECT_TRUE(is_type("bf16"));
  EXPECT_FALSE(is_type("wide"));
  EXPECT_THROW(parse_type("u128"), Unsupported);
}

TEST(PtxType, HasACounterpartInCpp) {
  const auto bytes_and_sign = [](const char* name) {
    return with_type(parse_type(name), [](auto t) {
      return static_cast<int>(sizeof(t)) * (std::is_signed_v<decltype(t)> ? -1 : 1);
    });
  };
  EXPECT_EQ(bytes_and_sign("s8"), -1);
  EXPECT_EQ(bytes_and_sign("u16"), 2);
  EXPECT_EQ(bytes_and_sign("b32"), 4);
  EXPECT_EQ(bytes_and_sign("s64"), -8);
  EXPECT_EQ(bytes_and_sign("f32"), -4);
  EXPECT_EQ(bytes_and_sign("f64"), -8);
  EXPECT_THROW(bytes_and_sign("f16"), Unsupported);
  EXPECT_THROW(bytes_and_sign("pred"), Unsupported);
}

}  // namespace
}  // namespace ptx
