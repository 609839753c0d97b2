#include "tests/cuda/ptx/decode.h"

#include "tests/cuda/ptx/fault.h"

namespace ptx {

void expect_operands(const Statement& statement, std::size_t count) {
  if (statement.operands.size() != count) throw Unsupported("another number of operands");
}

std::vector<std::string> vector_operands(const std::string& text) {
  if (!text.starts_with('{')) return {text};
  return split(text.substr(1, text.size() - 2), ',');
}

Instruction decode(const Statement& statement, Names& names) {
  Instruction instruction;
  instruction.text = statement.text;
  if (!statement.guard.empty()) {
    instruction.guard = names.target(statement.guard);
    instruction.guard_negated = statement.guard_negated;
  }
  for (const auto kind : {decode_arithmetic, decode_comparison, decode_conversion,
                          decode_memory_access, decode_warp_operation}) {
    if (kind(statement, names, instruction)) return instruction;
  }
  throw Unsupported("unknown opcode");
}

}  // namespace ptx
