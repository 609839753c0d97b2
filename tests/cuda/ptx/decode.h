// From a statement to what it does. One file a kind of instructions; what they do not name is
// Unsupported, modifiers included.
#pragma once

#include "tests/cuda/ptx/kernel.h"
#include "tests/cuda/ptx/names.h"
#include "tests/cuda/ptx/statement.h"

namespace ptx {

/// All but branches and returns, which concern the order of execution alone (warp.cpp).
Instruction decode(const Statement& statement, Names& names);

// Each returns whether the opcode is one of its kind.
bool decode_arithmetic(const Statement& statement, Names& names, Instruction& instruction);
bool decode_comparison(const Statement& statement, Names& names, Instruction& instruction);
bool decode_conversion(const Statement& statement, Names& names, Instruction& instruction);
bool decode_memory_access(const Statement& statement, Names& names, Instruction& instruction);
bool decode_warp_operation(const Statement& statement, Names& names, Instruction& instruction);

/// Throws Unsupported unless the number of operands is `count`.
void expect_operands(const Statement& statement, std::size_t count);

/// The operands of `{%r1, %r2}`, or the one that there is.
std::vector<std::string> vector_operands(const std::string& text);

}  // namespace ptx
