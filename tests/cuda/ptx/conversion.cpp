// cvt, which converts numbers, and cvta, which converts addresses.
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>

#include "tests/cuda/ptx/decode.h"
#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/warp.h"

namespace ptx {
namespace {

using Run = std::function<void(Warp&, Mask)>;

/// cvt.rn.bf16x2.f32 d, high, low: two rounded numbers in one register.
Run convert_pair(const Statement& statement, Names& names, std::uint16_t (*round)(float)) {
  expect_operands(statement, 3);
  const Slot to = names.target(statement.operands[0]);
  const Slot high = names.source(statement.operands[1], 4);
  const Slot low = names.source(statement.operands[2], 4);
  return [=](Warp& warp, Mask lanes) {
    auto* const pair = warp.lanes<std::uint32_t>(to);
    const auto *const a = warp.lanes<float>(high), *const b = warp.lanes<float>(low);
    for_each_lane(lanes, [&](int lane) {
      pair[lane] = static_cast<std::uint32_t>(round(a[lane])) << 16 | round(b[lane]);
    });
  };
}

Run widen_float16(const Statement& statement, Names& names) {
  expect_operands(statement, 2);
  const Slot to = names.target(statement.operands[0]);
  const Slot from = names.source(statement.operands[1], 2);
  return [=](Warp& warp, Mask lanes) {
    auto* const wide = warp.lanes<float>(to);
    const auto* const half = warp.lanes<std::uint16_t>(from);
    for_each_lane(lanes, [&](int lane) { wide[lane] = from_float16(half[lane]); });
  };
}

template <typename To, typename From>
To converted(From x, bool towards_zero) {
  if constexpr (std::is_floating_point_v<From> && std::is_floating_point_v<To>) {
    return static_cast<To>(towards_zero ? std::trunc(x) : x);
  } else {
    return static_cast<To>(x);
  }
}

/// cvt.TO.FROM d, a. The source may be a larger register, of which the low bits are taken, and the
/// result is extended to the size of its register as its type says.
Run convert(const Statement& statement, Names& names, bool towards_zero) {
  expect_operands(statement, 2);
  const Type to_type = parse_type(statement.words[statement.words.size() - 2]);
  const Type from_type = parse_type(statement.words.back());
  const Slot to = names.target(statement.operands[0]);
  const Slot from = names.any_register(statement.operands[1]);
  if (from.bytes < static_cast<std::uint32_t>(from_type.bytes())) throw Unsupported("operand size");
  return with_type(to_type, [&](auto t) {
    return with_type(from_type, [&](auto f) -> Run {
      using To = decltype(t);
      using From = decltype(f);
      if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
        throw Unsupported("a conversion to integers");
      }
      return [=](Warp& warp, Mask lanes) {
        for_each_lane(lanes, [&](int lane) {
          From x;
          const std::uint64_t bits = warp.number(from, lane);
          std::memcpy(&x, &bits, sizeof(x));
          const To y = converted<To>(x, towards_zero);
          std::uint64_t result = 0;
          if constexpr (std::is_integral_v<To>) {
            result = static_cast<std::uint64_t>(static_cast<std::int64_t>(y));
          } else {
            std::memcpy(&result, &y, sizeof(y));
          }
          warp.set_number(to, lane, result);
        });
      };
    });
  });
}

}  // namespace

bool decode_conversion(const Statement& statement, Names& names, Instruction& instruction) {
  const std::string opcode = statement.opcode();
  if (opcode == "cvta.to.global.u64") {  // device addresses are generic ones
    expect_operands(statement, 2);
    const Slot to = names.target(statement.operands[0]);
    const Slot from = names.source(statement.operands[1], 8);
    instruction.run = [=](Warp& warp, Mask lanes) {
      for_each_lane(lanes, [&](int lane) { warp.set_number(to, lane, warp.number(from, lane)); });
    };
    return true;
  }
  if (statement.words[0] != "cvt" || statement.words.size() < 3) return false;
  const std::string modifiers = statement.opcode_without(2);
  if (opcode == "cvt.rn.bf16x2.f32") {
    instruction.run = convert_pair(statement, names, to_bfloat16);
  } else if (opcode == "cvt.rn.f16x2.f32") {
    instruction.run = convert_pair(statement, names, to_float16);
  } else if (opcode == "cvt.f32.f16") {
    instruction.run = widen_float16(statement, names);
  } else if (modifiers == "cvt" || modifiers == "cvt.rn" || opcode == "cvt.rzi.f64.f64") {
    instruction.run = convert(statement, names, modifiers == "cvt.rzi");
  } else {
    throw Unsupported("unknown modifier");
  }
  return true;
}

}  // namespace ptx
