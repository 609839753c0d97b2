// Instructions that compute a number in each lane by itself.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <type_traits>

#include "tests/cuda/ptx/decode.h"
#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/warp.h"

namespace ptx {
namespace {

using Run = std::function<void(Warp&, Mask)>;

/// What a decoder is given: the statement's type and operands.
struct Operands {
  const Statement& statement;
  Names& names;
  Type type;

  Slot target(int bytes) const {
    const Slot slot = names.target(statement.operands[0]);
    if (slot.bytes != static_cast<std::uint32_t>(bytes)) {
      throw Unsupported("a register of another size, " + statement.operands[0]);
    }
    return slot;
  }
  Slot source(std::size_t i, int bytes) const {
    return names.source(statement.operands.at(i), bytes);
  }
};

/// d = f(a), f(a, b) or f(a, b, c) in the type T, d in the type that f returns.
template <typename T, typename F>
Run unary(const Operands& operands, F f) {
  expect_operands(operands.statement, 2);
  using D = decltype(f(T{}));
  const Slot d = operands.target(sizeof(D)), a = operands.source(1, sizeof(T));
  return [=](Warp& warp, Mask lanes) {
    D* const to = warp.lanes<D>(d);
    const T* const x = warp.lanes<T>(a);
    for_each_lane(lanes, [&](int lane) { to[lane] = f(x[lane]); });
  };
}
template <typename T, typename F>
Run binary(const Operands& operands, F f) {
  expect_operands(operands.statement, 3);
  using D = decltype(f(T{}, T{}));
  const Slot d = operands.target(sizeof(D));
  const Slot a = operands.source(1, sizeof(T)), b = operands.source(2, sizeof(T));
  return [=](Warp& warp, Mask lanes) {
    D* const to = warp.lanes<D>(d);
    const T *const x = warp.lanes<T>(a), *const y = warp.lanes<T>(b);
    for_each_lane(lanes, [&](int lane) { to[lane] = f(x[lane], y[lane]); });
  };
}
template <typename T, typename F>
Run ternary(const Operands& operands, F f) {
  expect_operands(operands.statement, 4);
  using D = decltype(f(T{}, T{}, T{}));
  const Slot d = operands.target(sizeof(D)), a = operands.source(1, sizeof(T));
  const Slot b = operands.source(2, sizeof(T)), c = operands.source(3, sizeof(T));
  return [=](Warp& warp, Mask lanes) {
    D* const to = warp.lanes<D>(d);
    const T *const x = warp.lanes<T>(a), *const y = warp.lanes<T>(b), *const z = warp.lanes<T>(c);
    for_each_lane(lanes, [&](int lane) { to[lane] = f(x[lane], y[lane], z[lane]); });
  };
}

/// A shift by an amount of 32 bits; amounts of the width and more shift every bit out.
template <typename T, typename F>
Run shift(const Operands& operands, F f) {
  expect_operands(operands.statement, 3);
  const Slot d = operands.target(sizeof(T));
  const Slot a = operands.source(1, sizeof(T)), b = operands.source(2, sizeof(std::uint32_t));
  return [=](Warp& warp, Mask lanes) {
    T* const to = warp.lanes<T>(d);
    const T* const x = warp.lanes<T>(a);
    const auto* const amount = warp.lanes<std::uint32_t>(b);
    for_each_lane(lanes, [&](int lane) { to[lane] = f(x[lane], amount[lane]); });
  };
}

// Arithmetic of the machine: integers wrap around.
template <typename T>
using Wrapping = std::conditional_t<std::is_floating_point_v<T>, T, std::uint64_t>;
template <typename T>
using Wide = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
template <typename T>
struct TwiceAsWide;
template <>
struct TwiceAsWide<std::int16_t> {
  using type = std::int32_t;
};
template <>
struct TwiceAsWide<std::uint16_t> {
  using type = std::uint32_t;
};
template <>
struct TwiceAsWide<std::int32_t> {
  using type = std::int64_t;
};
template <>
struct TwiceAsWide<std::uint32_t> {
  using type = std::uint64_t;
};

template <typename T>
T add(T x, T y) {
  return static_cast<T>(Wrapping<T>(x) + Wrapping<T>(y));
}
template <typename T>
T subtract(T x, T y) {
  return static_cast<T>(Wrapping<T>(x) - Wrapping<T>(y));
}
template <typename T>
T multiply(T x, T y) {
  return static_cast<T>(Wrapping<T>(x) * Wrapping<T>(y));
}

template <typename T>
T negative(T x) {
  if constexpr (std::is_floating_point_v<T>) return -x;
  return subtract(T{0}, x);
}
template <typename T>
T high_product(T x, T y) {
  return static_cast<T>(Wide<T>{x} * y >> (8 * sizeof(T)));
}

template <typename T>
T divide(T x, T y) {
  return static_cast<T>(Wide<T>{x} / y);
}
template <typename T>
T remainder(T x, T y) {
  return static_cast<T>(Wide<T>{x} % y);
}

/// Of a floating-point number and NaN, the number. -0 is smaller than 0.
template <typename T>
T smaller(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    if (x == y) return std::signbit(x) ? x : y;
    return std::fmin(x, y);
  } else {
    return std::min(x, y);
  }
}
template <typename T>
T larger(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    if (x == y) return std::signbit(x) ? y : x;
    return std::fmax(x, y);
  } else {
    return std::max(x, y);
  }
}

template <typename T>
T shift_left(T x, std::uint32_t amount) {
  if (amount >= 8 * sizeof(T)) return 0;
  return static_cast<T>(static_cast<std::uint64_t>(x) << amount);
}
template <typename T>
T shift_right(T x, std::uint32_t amount) {
  return static_cast<T>(x >> std::min<std::uint32_t>(amount, 8 * sizeof(T) - 1) >>
                        (amount >= 8 * sizeof(T) ? 1 : 0));
}

/// Subnormal numbers are zeros to the approximate instructions (.ftz).
template <typename T>
T flushed(T x) {
  return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(T{0}, x) : x;
}

/// The shift amount that brings the highest bit that is set to the top; all ones where none is set.
std::uint32_t shift_to_top(std::uint32_t x) {
  return x == 0 ? 0xffffffff : static_cast<std::uint32_t>(std::countl_zero(x));
}
std::uint32_t reversed(std::uint32_t x) {
  std::uint32_t result = 0;
  for (int i = 0; i < 32; ++i) result |= (x >> i & 1) << (31 - i);
  return result;
}

using Decoder = std::function<Run(const Operands&)>;

/// The types that an instruction has.
enum class Types : std::uint8_t { kAny, kIntegers, kFloats, kFloat32, kUint32 };
template <Types kTypes, typename T>
constexpr bool is_among = kTypes == Types::kAny ||
                          (kTypes == Types::kIntegers && std::is_integral_v<T>) ||
                          (kTypes == Types::kFloats && std::is_floating_point_v<T>) ||
                          (kTypes == Types::kFloat32 && std::is_same_v<T, float>) ||
                          (kTypes == Types::kUint32 && std::is_same_v<T, std::uint32_t>);

/// Calls make(T{}, operands) with the type of the operands.
template <Types kTypes, typename Make>
Decoder for_types(Make make) {
  return [make](const Operands& operands) {
    return with_type(operands.type, [&](auto t) -> Run {
      if constexpr (is_among<kTypes, decltype(t)>) return make(t, operands);
      throw Unsupported("the type of its operands");
    });
  };
}
template <Types kTypes, typename F>
Decoder unary_of(F f) {
  return for_types<kTypes>([f](auto t, const Operands& its) { return unary<decltype(t)>(its, f); });
}
template <Types kTypes, typename F>
Decoder binary_of(F f) {
  return for_types<kTypes>(
      [f](auto t, const Operands& its) { return binary<decltype(t)>(its, f); });
}
template <Types kTypes, typename F>
Decoder ternary_of(F f) {
  return for_types<kTypes>(
      [f](auto t, const Operands& its) { return ternary<decltype(t)>(its, f); });
}
template <typename F>
Decoder shift_of(F f) {
  return for_types<Types::kIntegers>(
      [f](auto t, const Operands& its) { return shift<decltype(t)>(its, f); });
}

/// A GPU gives some number for a division by zero; no kernel means to divide by it.
template <typename F>
Decoder division(F f) {
  return for_types<Types::kIntegers>([f](auto t, const Operands& its) -> Run {
    using T = decltype(t);
    const Run divide_all = binary<T>(its, f);
    return [divide_all, divisor = its.source(2, sizeof(T))](Warp& warp, Mask lanes) {
      for_each_lane(lanes, [&](int lane) {
        if (warp.lanes<T>(divisor)[lane] == 0) throw LaneFault{lane, "division by zero"};
      });
      divide_all(warp, lanes);
    };
  });
}

/// A bitwise operation. Predicates are 0 or 1.
template <typename F>
Decoder bitwise(F f) {
  return [f, of_integers = binary_of<Types::kIntegers>(f)](const Operands& operands) {
    if (operands.type.kind != Type::Kind::kPredicate) return of_integers(operands);
    return binary<std::uint8_t>(operands, f);
  };
}

Run invert(const Operands& operands) {
  if (operands.type.kind == Type::Kind::kPredicate) {
    return unary<std::uint8_t>(operands,
                               [](std::uint8_t x) { return static_cast<std::uint8_t>(x == 0); });
  }
  return unary_of<Types::kIntegers>([](auto x) { return static_cast<decltype(x)>(~x); })(operands);
}

/// Packs registers into one of several times their size, or unpacks it, or copies.
Run move(const Operands& operands) {
  const Statement& statement = operands.statement;
  expect_operands(statement, 2);
  const int bytes = operands.type.bytes();
  if (statement.operands[0].starts_with('{')) {
    std::vector<Slot> parts;
    for (const std::string& part : vector_operands(statement.operands[0])) {
      parts.push_back(operands.names.target(part));
    }
    const Slot from = operands.source(1, bytes);
    return [=](Warp& warp, Mask lanes) {
      for_each_lane(lanes, [&](int lane) {
        std::uint64_t value = warp.number(from, lane);
        for (const Slot part : parts) {
          warp.set_number(part, lane, value);
          value >>= 8 * part.bytes;
        }
      });
    };
  }
  const Slot to = operands.target(bytes);
  if (statement.operands[1].starts_with('{')) {
    const std::vector<std::string> texts = vector_operands(statement.operands[1]);
    std::vector<Slot> parts;
    for (const std::string& part : texts) {
      parts.push_back(operands.names.source(part, bytes / static_cast<int>(texts.size())));
    }
    return [=](Warp& warp, Mask lanes) {
      for_each_lane(lanes, [&](int lane) {
        std::uint64_t value = 0;
        for (std::size_t i = parts.size(); i-- > 0;) {
          value = value << (8 * parts[i].bytes) | warp.number(parts[i], lane);
        }
        warp.set_number(to, lane, value);
      });
    };
  }
  if (operands.type.kind == Type::Kind::kPredicate) {
    return unary<std::uint8_t>(operands, [](std::uint8_t x) { return x; });
  }
  return with_type(operands.type, [&](auto t) -> Run {
    using T = decltype(t);
    return unary<T>(operands, [](T x) { return x; });
  });
}

/// mul.wide: the product in twice the bits.
Run multiply_wide(const Operands& operands) {
  return for_types<Types::kIntegers>([](auto t, const Operands& its) -> Run {
    using T = decltype(t);
    if constexpr (sizeof(T) == 2 || sizeof(T) == 4) {
      return binary<T>(its, [](T x, T y) { return typename TwiceAsWide<T>::type{x} * y; });
    } else {
      throw Unsupported("the type of its operands");
    }
  })(operands);
}

/// By the opcode without its type.
const std::map<std::string, Decoder>& decoders() {
  const Decoder add_any = binary_of<Types::kAny>([](auto x, auto y) { return add(x, y); });
  const Decoder multiply_floats = binary_of<Types::kFloats>([](auto x, auto y) { return x * y; });
  static const std::map<std::string, Decoder> table = {
      {"mov", move},
      {"add", add_any},
      {"add.rn", add_any},
      {"sub", binary_of<Types::kAny>([](auto x, auto y) { return subtract(x, y); })},
      {"mul", multiply_floats},
      {"mul.rn", multiply_floats},
      {"mul.lo", binary_of<Types::kIntegers>([](auto x, auto y) { return multiply(x, y); })},
      {"mul.hi", binary_of<Types::kIntegers>([](auto x, auto y) { return high_product(x, y); })},
      {"mul.wide", multiply_wide},
      {"mad.lo",
       ternary_of<Types::kIntegers>([](auto x, auto y, auto z) { return add(multiply(x, y), z); })},
      {"fma.rn",
       ternary_of<Types::kFloats>([](auto x, auto y, auto z) { return std::fma(x, y, z); })},
      {"div", division([](auto x, auto y) { return divide(x, y); })},
      {"div.rn", binary_of<Types::kFloats>([](auto x, auto y) { return x / y; })},
      {"rem", division([](auto x, auto y) { return remainder(x, y); })},
      {"min", binary_of<Types::kAny>([](auto x, auto y) { return smaller(x, y); })},
      {"max", binary_of<Types::kAny>([](auto x, auto y) { return larger(x, y); })},
      {"neg", unary_of<Types::kAny>([](auto x) { return negative(x); })},
      {"abs", unary_of<Types::kFloats>([](auto x) { return std::fabs(x); })},
      {"and", bitwise([](auto x, auto y) { return static_cast<decltype(x)>(x & y); })},
      {"or", bitwise([](auto x, auto y) { return static_cast<decltype(x)>(x | y); })},
      {"xor", bitwise([](auto x, auto y) { return static_cast<decltype(x)>(x ^ y); })},
      {"not", invert},
      {"shl", shift_of([](auto x, std::uint32_t amount) { return shift_left(x, amount); })},
      {"shr", shift_of([](auto x, std::uint32_t amount) { return shift_right(x, amount); })},
      {"sqrt.rn", unary_of<Types::kFloats>([](auto x) { return std::sqrt(x); })},
      {"rcp.rn", unary_of<Types::kFloats>([](auto x) { return decltype(x){1} / x; })},
      {"rcp.approx.ftz",
       unary_of<Types::kFloat32>([](float x) { return flushed(1.0F / flushed(x)); })},
      {"ex2.approx.ftz",
       unary_of<Types::kFloat32>([](float x) { return flushed(std::exp2(flushed(x))); })},
      {"brev", unary_of<Types::kUint32>([](std::uint32_t x) { return reversed(x); })},
      {"bfind.shiftamt", unary_of<Types::kUint32>([](std::uint32_t x) { return shift_to_top(x); })},
  };
  return table;
}

/// The first 32 bits of a double's reciprocal, which a division begins with.
Run approximate_reciprocal(const Operands& operands) {
  return unary<double>(operands, [](double x) {
    const double exact = flushed(1.0 / flushed(x));
    return std::bit_cast<double>(std::bit_cast<std::uint64_t>(exact) & ~0xffffffffULL);
  });
}

/// bfi.b32 d, a, b, begin, length: b with `length` bits of a from bit `begin` on.
Run insert_bits(const Operands& operands) {
  expect_operands(operands.statement, 5);
  const Slot d = operands.target(4), a = operands.source(1, 4), b = operands.source(2, 4);
  const Slot begin = operands.source(3, 4), length = operands.source(4, 4);
  return [=](Warp& warp, Mask lanes) {
    for_each_lane(lanes, [&](int lane) {
      const auto number = [&](Slot slot) { return warp.lanes<std::uint32_t>(slot)[lane]; };
      const std::uint32_t first = number(begin) & 0xff, count = number(length) & 0xff;
      const auto field = static_cast<std::uint32_t>(
          (count >= 32 ? 0xffffffffULL : (1ULL << count) - 1) << std::min(first, 32U));
      warp.lanes<std::uint32_t>(d)[lane] =
          (number(b) & ~field) | (shift_left(number(a), first) & field);
    });
  };
}

}  // namespace

bool decode_arithmetic(const Statement& statement, Names& names, Instruction& instruction) {
  if (statement.words.size() < 2 || !is_type(statement.words.back())) return false;
  const Operands operands = {statement, names, parse_type(statement.words.back())};
  if (statement.opcode() == "rcp.approx.ftz.f64") {
    instruction.run = approximate_reciprocal(operands);
    return true;
  }
  if (statement.opcode() == "bfi.b32") {
    instruction.run = insert_bits(operands);
    return true;
  }
  const auto found = decoders().find(statement.opcode_without(1));
  if (found == decoders().end()) return false;
  instruction.run = found->second(operands);
  return true;
}

}  // namespace ptx
