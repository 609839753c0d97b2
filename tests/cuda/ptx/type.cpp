#include "tests/cuda/ptx/type.h"

#include <array>
#include <bit>
#include <cmath>
#include <string_view>
#include <utility>

namespace ptx {
namespace {

using Kind = Type::Kind;

constexpr std::array<std::pair<std::string_view, Type>, 17> kTypes = {{
    {"b8", {Kind::kBits, 8}},
    {"b16", {Kind::kBits, 16}},
    {"b32", {Kind::kBits, 32}},
    {"b64", {Kind::kBits, 64}},
    {"u8", {Kind::kUnsigned, 8}},
    {"u16", {Kind::kUnsigned, 16}},
    {"u32", {Kind::kUnsigned, 32}},
    {"u64", {Kind::kUnsigned, 64}},
    {"s8", {Kind::kSigned, 8}},
    {"s16", {Kind::kSigned, 16}},
    {"s32", {Kind::kSigned, 32}},
    {"s64", {Kind::kSigned, 64}},
    {"f16", {Kind::kFloat, 16}},
    {"f32", {Kind::kFloat, 32}},
    {"f64", {Kind::kFloat, 64}},
    {"bf16", {Kind::kFloat, 16}},
    {"pred", {Kind::kPredicate, 1}},
}};

const Type* find(const std::string& text) {
  for (const auto& [name, type] : kTypes) {
    if (name == text) return &type;
  }
  return nullptr;
}

}  // namespace

bool is_type(const std::string& text) { return find(text) != nullptr; }

Type parse_type(const std::string& text) {
  if (const Type* type = find(text)) return *type;
  throw Unsupported("unknown type " + text);
}

float from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t to_bfloat16(float x) {
  if (std::isnan(x)) return 0x7fff;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float from_float16(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float size = 0.0F;
  if (exponent == 31) {
    size = fraction == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    size = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    size = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -size : size;
}

std::uint16_t to_float16(float x) {
  if (std::isnan(x)) return 0x7fff;
  const auto sign = static_cast<std::uint16_t>(std::signbit(x) ? 0x8000 : 0);
  const float size = std::fabs(x);
  if (size >= 65520.0F) return sign | 0x7c00;  // rounds to infinity
  int exponent = 0;
  std::frexp(size, &exponent);  // size < 2^exponent
  // The spacing of float16 numbers at `size`: 11 significant bits, at least 2^-24.
  const int spacing = size == 0.0F || exponent < -13 ? -24 : exponent - 11;
  const auto steps = static_cast<int>(std::nearbyint(std::ldexp(size, -spacing)));
  // Steps of 2^-24 are the encoding itself. Above, the leading bit adds one to the exponent field.
  return static_cast<std::uint16_t>(sign |
                                    (spacing == -24 ? steps : ((spacing + 24) << 10) + steps));
}

}  // namespace ptx
