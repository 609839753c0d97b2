// The scalar types of PTX (PTX ISA, "Fundamental Types") and their counterparts in C++.
#pragma once

#include <cstdint>
#include <string>

#include "tests/cuda/ptx/fault.h"

namespace ptx {

struct Type {
  enum class Kind : char { kBits, kUnsigned, kSigned, kFloat, kPredicate };
  Kind kind;
  int bits;  // 1 for predicates

  /// A register of the type holds this much for each lane.
  int bytes() const { return kind == Kind::kPredicate ? 1 : bits / 8; }
  bool operator==(const Type&) const = default;
};

/// "u32", "b64", "f16", "pred". Throws Unsupported for any other text, packed types (f16x2)
/// included: nothing computes with those.
Type parse_type(const std::string& text);
bool is_type(const std::string& text);

/// Calls f(T{}) with the C++ type of `type`. Bits are unsigned numbers; there are no 16-bit floats
/// and no predicates here.
template <typename F>
auto with_type(Type type, const F& f) {
  using Kind = Type::Kind;
  if (type.kind == Kind::kFloat && type.bits == 32) return f(float{});
  if (type.kind == Kind::kFloat && type.bits == 64) return f(double{});
  const bool is_signed = type.kind == Kind::kSigned;
  if (type.kind != Kind::kFloat && type.kind != Kind::kPredicate) {
    switch (type.bits) {
      case 8:
        return is_signed ? f(std::int8_t{}) : f(std::uint8_t{});
      case 16:
        return is_signed ? f(std::int16_t{}) : f(std::uint16_t{});
      case 32:
        return is_signed ? f(std::int32_t{}) : f(std::uint32_t{});
      case 64:
        return is_signed ? f(std::int64_t{}) : f(std::uint64_t{});
      default:
        break;
    }
  }
  throw Unsupported("an operation on a type that it is not implemented for");
}

/// Half-precision numbers. Rounds to nearest, ties to even; NaN stays NaN.
float from_float16(std::uint16_t bits);
float from_bfloat16(std::uint16_t bits);
std::uint16_t to_float16(float x);
std::uint16_t to_bfloat16(float x);

}  // namespace ptx
