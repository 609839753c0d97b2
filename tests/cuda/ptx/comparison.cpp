// setp, which compares, and selp, which chooses by a predicate.
#include <cmath>
#include <functional>
#include <map>
#include <string>

#include "tests/cuda/ptx/decode.h"
#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/warp.h"

namespace ptx {
namespace {

/// What holds between two numbers, neither of which is NaN, and whether it holds where one is.
struct Relation {
  bool less, equal, greater, unordered;
};
const std::map<std::string, Relation>& relations() {
  static const std::map<std::string, Relation> table = {
      {"eq", {false, true, false, false}}, {"ne", {true, false, true, false}},
      {"lt", {true, false, false, false}}, {"le", {true, true, false, false}},
      {"gt", {false, false, true, false}}, {"ge", {false, true, true, false}},
      {"equ", {false, true, false, true}}, {"neu", {true, false, true, true}},
      {"ltu", {true, false, false, true}}, {"leu", {true, true, false, true}},
      {"gtu", {false, false, true, true}}, {"geu", {false, true, true, true}},
      {"num", {true, true, true, false}},  {"nan", {false, false, false, true}},
  };
  return table;
}

template <typename T>
bool holds(Relation relation, T x, T y) {
  if (x < y) return relation.less;
  if (x > y) return relation.greater;
  return x == y ? relation.equal : relation.unordered;
}

/// setp.CMP.TYPE p, a, b
void decode_setp(const Statement& statement, Names& names, Instruction& instruction) {
  if (statement.words.size() != 3) throw Unsupported("unknown form");
  const auto relation = relations().find(statement.words[1]);
  if (relation == relations().end()) throw Unsupported("unknown comparison");
  expect_operands(statement, 3);
  const Type type = parse_type(statement.words[2]);
  const Slot to = names.target(statement.operands[0]);
  const Slot a = names.source(statement.operands[1], type.bytes());
  const Slot b = names.source(statement.operands[2], type.bytes());
  instruction.run = with_type(type, [&](auto t) -> std::function<void(Warp&, Mask)> {
    using T = decltype(t);
    return [to, a, b, wanted = relation->second](Warp& warp, Mask lanes) {
      auto* const result = warp.lanes<std::uint8_t>(to);
      const T *const x = warp.lanes<T>(a), *const y = warp.lanes<T>(b);
      for_each_lane(lanes,
                    [&](int lane) { result[lane] = holds(wanted, x[lane], y[lane]) ? 1 : 0; });
    };
  });
}

/// selp.TYPE d, a, b, p
void decode_selp(const Statement& statement, Names& names, Instruction& instruction) {
  if (statement.words.size() != 2) throw Unsupported("unknown form");
  expect_operands(statement, 4);
  const Type type = parse_type(statement.words[1]);
  const Slot to = names.target(statement.operands[0]);
  const Slot a = names.source(statement.operands[1], type.bytes());
  const Slot b = names.source(statement.operands[2], type.bytes());
  const Slot p = names.source(statement.operands[3], 1);
  instruction.run = with_type(type, [&](auto t) -> std::function<void(Warp&, Mask)> {
    using T = decltype(t);
    return [to, a, b, p](Warp& warp, Mask lanes) {
      T* const result = warp.lanes<T>(to);
      const T *const x = warp.lanes<T>(a), *const y = warp.lanes<T>(b);
      const auto* const takes_first = warp.lanes<std::uint8_t>(p);
      for_each_lane(lanes,
                    [&](int lane) { result[lane] = takes_first[lane] != 0 ? x[lane] : y[lane]; });
    };
  });
}

}  // namespace

bool decode_comparison(const Statement& statement, Names& names, Instruction& instruction) {
  if (statement.words[0] == "setp") {
    decode_setp(statement, names, instruction);
  } else if (statement.words[0] == "selp") {
    decode_selp(statement, names, instruction);
  } else {
    return false;
  }
  return true;
}

}  // namespace ptx
