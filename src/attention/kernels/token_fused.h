// The kernels of token.h for this processor, on its threads.
#pragma once

#include <cstdint>
#include <vector>

#include "attention/kernels/token.h"

namespace sparse_transformer {

/// What this processor can run, the fastest first; never empty.
std::vector<const TokenInstructionSet*> token_instruction_sets();

/// The fastest of them, for float and double.
template <typename T>
const TokenKernels<T>& token_kernels();

/// How many tasks of so many multiply-adds one thread should have at least: waking another costs
/// some microseconds.
std::int64_t token_grain(std::int64_t multiply_adds);

}  // namespace sparse_transformer
